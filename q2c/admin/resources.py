"""Rows of a CSV file ↔ records. Other records are named by their own keys, never by database ids.

A row whose key is there changes that record, another makes a new one; nothing is ever deleted by an import. Each error
names its row, its column and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from import_export import fields, resources

from exceptions.models import Holiday, Team
from ledger.models import Account, Dimension, DimensionRule, DimensionValue, FxRate, LegalEntity
from q2c.admin import import_errors, import_preview, items, rates, refusals, terms
from q2c.admin.columns import (
    AccountWidget,
    KeyWidget,
    ListWidget,
    MappingWidget,
    StrictBoolean,
    StrictDate,
    StrictNumber,
    StrictWhole,
)
from q2c.models import CommercialPolicy, Customer, ItemMapping, ListPrice, Product, TaxNexus

# What a column offers: (key, what it is called).
Choices = Callable[[], list[tuple[str, str]]]


class Rows(resources.ModelResource):
    """Base: all or nothing, full validation, the reason of the import on each record."""

    WIDGETS_MAP = {
        **resources.ModelResource.WIDGETS_MAP,
        "BooleanField": StrictBoolean,
        "DateField": StrictDate,
        "DecimalField": StrictNumber,
        "FloatField": StrictNumber,
        "PositiveSmallIntegerField": StrictWhole,
    }

    class Meta:
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    # Whether clean() of the record looks at nothing but its own columns: then it is asked also where the key is wrong.
    cleans_without_key = False

    def __init__(self, choices: Mapping[str, Choices] | None = None, **kwargs: Any) -> None:
        """`choices`: text columns whose values are other records' keys, as on the form."""
        super().__init__(**kwargs)
        self._choices, self._keys = choices or {}, dict[str, list[str]]()
        self._rows: dict[Any, int] = {}
        # What is to be known of rows that are taken all the same, in the order of the file.
        self._doubts: dict[str, None] = {}

    def import_data(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        self._doubts.clear()
        result = super().import_data(dataset, *args, **kwargs)
        result.doubts = list(self._doubts)[: items.TOLD_MAX]
        return result

    @classmethod
    def get_diff_class(cls) -> Any:
        return import_preview.Cells

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """A misspelt column would be ignored silently, and a missing one would empty the record's key."""
        known = {field.column_name for field in self.get_import_fields()}
        given = set(dataset.headers or [])
        if len(given) == 1 and ";" in str(*given):
            raise ValueError("There are semicolons between its columns: save the file as CSV with commas")
        if unknown := sorted(str(name) for name in given - known):
            raise ValueError(f"Unknown columns: {', '.join(unknown)}. There are {', '.join(sorted(known))}")
        if missing := [name for name in self._meta.import_id_fields if name not in given]:
            raise ValueError(f"Missing columns: {', '.join(missing)}. They say which record a row is")
        self._keys = {name: [key for key, _ in offered()] for name, offered in self._choices.items()}
        self._rows.clear()

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        """Of two rows of one record the second would silently win."""
        try:
            key = tuple(self.fields[name].clean(row) for name in self._meta.import_id_fields)
        except ValueError:
            return
        there = self._rows.setdefault(key, kwargs["row_number"])
        if there != kwargs["row_number"]:
            raise ValidationError(f"It is the same record as row {there}: keep one of the two")

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        """Without what the library does here: it would set the sequence of the ids, which they come from already, and
        which is not the application's to set."""
        result.wrong = import_errors.wrong(result, self._meta.model)
        import_preview.lay_out(result, self._meta.import_id_fields)
        result.wrong_rows = len({one.row for one in result.wrong})

    def get_instance(self, instance_loader: Any, row: Any) -> Any:
        """The record of a row. What is wrong with its key is an error of that field, not of the whole row.

        Without a key there is no record to compare with: what else is wrong is told along with it.
        """
        wrong = {}
        for field in (one for one in self.get_import_fields() if one.column_name in row):
            try:
                field.clean(row)
            except (ValueError, ValidationError) as error:
                wrong[field.column_name] = error if isinstance(error, ValidationError) else str(error)
        if wrong.keys() & set(self._meta.import_id_fields):
            raise self._all_told(row, wrong)
        return super().get_instance(instance_loader, row)

    def _all_told(self, row: Any, wrong: dict[str, Any]) -> ValidationError:
        """What cannot be read, `wrong`, and what else each column says that its field does not take."""
        blank = self._meta.model()
        for field in self.get_import_fields():
            if field.column_name in row and field.column_name not in wrong:
                self.import_field(field, blank, row)
        errors = self._unknown(blank) | self.refused_there(blank) | wrong
        looks = [partial(blank.clean_fields, exclude=set(errors)), *([blank.clean] if self.cleans_without_key else [])]
        for look in looks:
            try:
                look()
            except ValidationError as error:
                told = error.update_error_dict({})
                errors |= {name: said for name, said in told.items() if name not in errors}
        return refusals.plain(ValidationError(errors), self._meta.model)

    def refused_there(self, instance: Any) -> dict[str, Any]:
        """What another system says against a row, by column."""
        return {}

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        try:
            self.checked(instance, dict(import_validation_errors or {}), validate_unique)
        except ValidationError as error:
            raise refusals.plain(error, self._meta.model) from None

    def checked(self, instance: Any, errors: Any, validate_unique: bool) -> None:
        """Raises ValidationError for what was wrong already, `errors`, and for what does not fit the record."""
        super().validate_instance(instance, self._unknown(instance) | errors, validate_unique)

    def _unknown(self, instance: Any) -> dict[str, Any]:
        """Keys that no record has. One that is stored can stay, as on the form."""
        found = {}
        for name, keys in self._keys.items():
            value = getattr(instance, name)
            if not value or value in keys or type(instance).objects.filter(pk=instance.pk, **{name: value}).exists():
                continue
            title = instance._meta.get_field(name).verbose_name
            said = f"There is no {title} {value}; there are: {', '.join(keys) or 'none yet'}"
            found[name] = ValidationError(said)
        return found

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        instance._change_reason = kwargs.get("change_reason") or "Imported"


def _key(name: str, model: Any, field: str = "code") -> fields.Field:
    return fields.Field(attribute=name, column_name=name, widget=KeyWidget(model, field))


class LegalEntityRows(Rows):
    parent = _key("parent", LegalEntity)
    allowed_currencies = fields.Field("allowed_currencies", "allowed_currencies", widget=ListWidget())
    regions = fields.Field("regions", "regions", widget=ListWidget())

    class Meta(Rows.Meta):
        model = LegalEntity
        exclude = ("id",)
        import_id_fields = ("code",)


class AccountRows(Rows):
    entity = _key("entity", LegalEntity)

    class Meta(Rows.Meta):
        model = Account
        exclude = ("id",)
        import_id_fields = ("entity", "code")


class DimensionRows(Rows):
    class Meta(Rows.Meta):
        model = Dimension
        exclude = ("id",)
        import_id_fields = ("code",)


class DimensionValueRows(Rows):
    dimension = _key("dimension", Dimension)
    entity = _key("entity", LegalEntity)

    class Meta(Rows.Meta):
        model = DimensionValue
        exclude = ("id",)
        import_id_fields = ("dimension", "entity", "code")


class DimensionRuleRows(Rows):
    dimension = _key("dimension", Dimension)
    account = fields.Field("account", "account", widget=AccountWidget())

    class Meta(Rows.Meta):
        model = DimensionRule
        exclude = ("id",)
        import_id_fields = ("dimension", "account", "account_type", "effective_from")


class FxRateRows(Rows):
    cleans_without_key = True

    class Meta(Rows.Meta):
        model = FxRate
        exclude = ("id",)
        import_id_fields = ("from_currency", "to_currency", "kind", "on")

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        super().before_save_instance(instance, row, **kwargs)
        self._doubts.update(dict.fromkeys(rates.doubts(instance)))


class CustomerRows(Rows):
    address = fields.Field("address", "address", widget=MappingWidget())

    class Meta(Rows.Meta):
        model = Customer
        exclude = ("id", "changed_at")
        import_id_fields = ("key",)

    def checked(self, instance: Any, errors: Any, validate_unique: bool) -> None:
        if wrong := above(instance.key, instance.parent_key):
            errors.setdefault("parent_key", ValidationError(wrong))
        super().checked(instance, errors, validate_unique)


def above(key: str, parent: str) -> str:
    """What is wrong with a customer's parent: it has to be known, and none that stands below this one."""
    seen = {key}
    while parent:
        if parent in seen:
            return f"{key} would stand above itself: name another parent"
        seen.add(parent)
        further = Customer.objects.filter(key=parent).values_list("parent_key", flat=True).first()
        if further is None:
            return f"There is no customer {parent}: add it first, or leave this empty"
        parent = further
    return ""


class ProductRows(Rows):
    class Meta(Rows.Meta):
        model = Product
        exclude = ("id",)
        import_id_fields = ("code",)

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        """What open orders keep of what the file changes is told."""
        super().before_save_instance(instance, row, **kwargs)
        stored = Product.objects.filter(pk=instance.pk).values(*terms.KEPT).first() or {}
        kept = terms.kept(instance, [name for name, was in stored.items() if was != getattr(instance, name)])
        self._doubts.update(dict.fromkeys(kept))


class ListPriceRows(Rows):
    cleans_without_key = True
    product = _key("product", Product)

    class Meta(Rows.Meta):
        model = ListPrice
        exclude = ("id",)
        import_id_fields = ("product", "currency", "price_period", "effective_from")


class ItemMappingRows(Rows):
    cleans_without_key = True
    product = _key("product", Product)
    dimensions = fields.Field("dimensions", "dimensions", widget=MappingWidget({}))

    class Meta(Rows.Meta):
        model = ItemMapping
        exclude = ("id",)
        import_id_fields = ("product", "connection", "effective_from")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._answers: dict[str, items.Answer] = {}

    def import_data(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """Each ledger is asked once, for all rows, before the transaction begins."""
        wanted: dict[str, list[tuple[str, str]]] = {}
        for cells in dataset:
            row = dict(zip(dataset.headers, (str(cell or "").strip() for cell in cells), strict=False))
            if row.get("connection") and row.get("item"):
                named = items.named(row["item"], items.dimensions(row.get("dimensions", "")))
                wanted.setdefault(row["connection"], []).extend(named)
        offered = self._choices.get("connection", list)()
        self._answers = {name: items.ask(name, wanted[name]) for name in sorted(wanted) if name in dict(offered)}
        return super().import_data(dataset, *args, **kwargs)

    def checked(self, instance: Any, errors: Any, validate_unique: bool) -> None:
        super().checked(instance, self.refused_there(instance) | errors, validate_unique)

    def refused_there(self, instance: Any) -> dict[str, Any]:
        answer = self._answers.get(instance.connection)
        wrong = items.refused(instance.item, answer) if answer is not None else ""
        stands = ItemMapping.objects.filter(pk=instance.pk, item=instance.item, connection=instance.connection)
        return {"item": ValidationError(wrong)} if wrong and not stands.exists() else {}

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        if answer := self._answers.get(instance.connection):
            said = items.doubts(instance.connection, instance.item, instance.dimensions, answer)
            self._doubts.update(dict.fromkeys(said))
        super().after_save_instance(instance, row, **kwargs)


class TaxNexusRows(Rows):
    cleans_without_key = True

    class Meta(Rows.Meta):
        model = TaxNexus
        exclude = ("id",)
        import_id_fields = ("entity", "country", "region", "effective_from")


class CommercialPolicyRows(Rows):
    class Meta(Rows.Meta):
        model = CommercialPolicy
        exclude = ("id",)
        import_id_fields = ("entity",)


class HolidayRows(Rows):
    team = _key("team", Team)

    class Meta(Rows.Meta):
        model = Holiday
        exclude = ("id",)
        import_id_fields = ("team", "day")
