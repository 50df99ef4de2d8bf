"""Customers, products, and what each means to tax and ledgers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from q2c import clock
from q2c.admin import items, resources, terms
from q2c.admin.amounts import priced
from q2c.admin.books import entities, journal_connections
from q2c.admin.dimensions import DimensionsField, given
from q2c.admin.master import ImportedAdmin, LastDayMixin
from q2c.admin.reasons import ReasonForm
from q2c.models import CommercialPolicy, Customer, ItemMapping, ListPrice, Product, TaxNexus
from q2c.ui.formats import day_text


class CustomerForm(ReasonForm):
    def clean_parent_key(self) -> str:
        parent, own = str(self.cleaned_data["parent_key"]), self.cleaned_data.get("key") or self.instance.key
        if wrong := resources.above(own, parent):
            raise forms.ValidationError(wrong)
        return parent


@admin.register(Customer)
class CustomerAdmin(ImportedAdmin):
    form = CustomerForm
    resource_classes = [resources.CustomerRows]
    list_display = ("key", "name", "parent_key", "active", "pays_for_itself", "source", "changed_at")
    list_filter = ("active", "pays_for_itself", "source")
    search_fields = ("key", "name", "parent_key", "email")
    ordering = ("key",)
    readonly_fields = ("changed_at",)


class _ToBeRead(LastDayMixin, admin.TabularInline):  # type: ignore[type-arg]
    """What a product has: changed on pages of its own, with a reason of its own."""

    extra = 0
    can_delete = False
    show_change_link = True
    holds_until = ImportedAdmin.holds_until

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False


class ListPrices(_ToBeRead):
    model = ListPrice
    fields = readonly_fields = ("currency", "price_period", "price", "effective_from", "holds_until")
    ordering = ("currency", "price_period", "-effective_from")

    @admin.display(description="Unit price")
    def price(self, row: ListPrice) -> str:
        return priced(row.unit_price, row.currency)


class ItemMappings(_ToBeRead):
    model = ItemMapping
    fields = readonly_fields = ("connection", "item", "dimensions", "effective_from", "holds_until")


@admin.register(Product)
class ProductAdmin(ImportedAdmin):
    resource_classes = [resources.ProductRows]
    inlines = [ListPrices, ItemMappings]
    list_display = ("code", "name", "kind", "revenue_treatment", "tax_code", "product_line", "meter", "active")
    list_filter = ("active", "kind", "revenue_treatment", "product_line")
    search_fields = ("code", "name", "tax_code", "meter")
    ordering = ("code",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for said in terms.kept(obj, form.changed_data) if change else ():
            messages.warning(request, f"{said}.")


@admin.register(ListPrice)
class ListPriceAdmin(ImportedAdmin):
    """What discounts are measured by, so no page of those who sell or who sign."""

    resource_classes = [resources.ListPriceRows]
    list_display = ("product", "currency", "price_period", "price", "today", "effective_from", "holds_until")
    list_filter = ("price_period", "currency")
    list_select_related = ("product",)
    search_fields = ("product__code", "product__name", "currency")
    autocomplete_fields = ("product",)
    ordering = ("product__code", "currency", "price_period", "-effective_from")

    @admin.display(description="Unit price", ordering="unit_price")
    def price(self, row: ListPrice) -> str:
        return priced(row.unit_price, row.currency)

    @admin.display(description="Today")
    def today(self, row: ListPrice) -> str:
        day = clock.today()
        if row.effective_from > day:
            return "Not yet"
        if row.effective_to is not None and row.effective_to <= day:
            return "Ended"
        return format_html('<span class="state open">{}</span>', "Holds")


class ItemMappingForm(ReasonForm):
    dimensions = DimensionsField(help_text="What goes onto its journal lines; an empty box is none")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "item" in self.fields:
            self.fields["item"].help_text = "What the ledger calls it; asked there as you save"

    # What the ledger said; set for one request.
    answer: items.Answer | None = None

    def clean_item(self) -> str:
        """What stands there already is not held against whoever changes something else; it is warned of."""
        item = str(self.cleaned_data["item"]).strip()
        touched = self.instance.pk is None or {"item", "connection"} & set(self.changed_data)
        if touched and self.answer is not None and (wrong := items.refused(item, self.answer)):
            raise forms.ValidationError(wrong)
        return item


@admin.register(ItemMapping)
class ItemMappingAdmin(ImportedAdmin):
    form = ItemMappingForm
    resource_classes = [resources.ItemMappingRows]
    choices = {"connection": journal_connections}
    list_display = ("product", "connection", "item", "today", "effective_from", "holds_until")
    list_filter = ("connection",)
    list_select_related = ("product",)
    search_fields = ("product__code", "product__name", "item")
    autocomplete_fields = ("product",)
    ordering = ("product__code", "connection", "effective_from")

    def get_queryset(self, request: HttpRequest) -> Any:
        day = clock.today()
        later = ItemMapping.objects.filter(
            Q(effective_to=None) | Q(effective_to__gt=day), effective_from__lte=day,
            product=OuterRef("product"), connection=OuterRef("connection"),
            effective_from__gt=OuterRef("effective_from"),
        ).order_by("-effective_from")  # fmt: skip
        return super().get_queryset(request).annotate(replaced_on=Subquery(later.values("effective_from")[:1]))

    @admin.display(description="Today")
    def today(self, mapping: ItemMapping) -> str:
        """Of several that hold on a day, the one that began last is taken."""
        day, replaced = clock.today(), mapping.replaced_on  # type: ignore[attr-defined]
        if mapping.effective_from > day:
            return "Not yet"
        if mapping.effective_to is not None and mapping.effective_to <= day:
            return "Ended"
        if replaced is not None:
            return format_html('Replaced <span class="under">from {}</span>', day_text(replaced))
        return format_html('<span class="state open">{}</span>', "Holds")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A case links here with the product's code, which it knows it by."""
        initial = super().get_changeform_initial_data(request)
        if "product" in initial:
            product = Product.objects.visible_to(request.user).filter(code=initial["product"]).first()
            initial["product"] = product.pk if product else None
        return initial

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked = request.GET
        if request.method == "GET" and asked.get("product") and asked.get("connection"):
            self._tell_of_others(request, asked["product"], asked["connection"])
        return super().add_view(request, *args, **kwargs)

    def _tell_of_others(self, request: HttpRequest, code: str, connection: str) -> None:
        """Of one product in one ledger: to let an item hold on another day may be the better change."""
        there = ItemMapping.objects.visible_to(request.user).filter(product__code=code, connection=connection)
        for mapping in there.order_by("effective_from"):
            days = f"from {day_text(mapping.effective_from)}"
            if last := self.holds_until(mapping):
                days += f" to {day_text(last)}"
            said = '{} is item {} there {}. <a href="{}">Change its days</a> instead, if that is meant.'
            address = reverse("admin:q2c_itemmapping_change", args=[mapping.pk])
            messages.info(request, format_html(said, mapping, mapping.item, days, address))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The ledger is asked before the transaction of the form begins."""
        post = request.POST
        if request.method == "POST" and post.get("connection") and post.get("item"):
            wanted = items.named(post["item"].strip(), given(post, "dimensions"))
            request.q2c_answer = items.ask(post["connection"], wanted)  # type: ignore[attr-defined]
        return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        answer = getattr(request, "q2c_answer", None)
        return type(form.__name__, (form,), {"answer": answer}) if answer is not None else form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        answer = getattr(request, "q2c_answer", None)
        for doubt in items.doubts(obj.connection, obj.item, obj.dimensions, answer) if answer is not None else ():
            messages.warning(request, f"{doubt}.")


@admin.register(TaxNexus)
class TaxNexusAdmin(ImportedAdmin):
    resource_classes = [resources.TaxNexusRows]
    choices = {"entity": entities}
    list_display = ("entity", "country", "region", "registration", "effective_from", "holds_until")
    list_filter = ("entity", "country")
    search_fields = ("entity", "country", "region", "registration")
    ordering = ("entity", "country", "region")


@admin.register(CommercialPolicy)
class CommercialPolicyAdmin(ImportedAdmin):
    resource_classes = [resources.CommercialPolicyRows]
    choices = {"entity": entities}
    list_display = ("__str__", "discount_limit_percent", "usage_limit_percent", "tax_tolerance_percent")
    list_filter = ("entity",)
    search_fields = ("entity",)
