"""Customers, products, and what each means to tax and ledgers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin

from q2c.admin import resources
from q2c.admin.books import entities, journal_connections
from q2c.admin.master import ImportedAdmin
from q2c.admin.reasons import ReasonForm
from q2c.models import CommercialPolicy, Customer, ItemMapping, Product, TaxNexus


class CustomerForm(ReasonForm):
    def clean_parent_key(self) -> str:
        """A known customer, and none that stands below this one."""
        parent, own = self.cleaned_data["parent_key"], self.cleaned_data.get("key") or self.instance.key
        seen = {own}
        while parent:
            if parent in seen:
                raise forms.ValidationError(f"{own} would stand above itself: name another parent")
            seen.add(parent)
            above = Customer.objects.filter(key=parent).values_list("parent_key", flat=True).first()
            if above is None:
                raise forms.ValidationError(f"There is no customer {parent}: add it first, or leave this empty")
            parent = above
        return str(self.cleaned_data["parent_key"])


@admin.register(Customer)
class CustomerAdmin(ImportedAdmin):
    form = CustomerForm
    resource_classes = [resources.CustomerRows]
    list_display = ("key", "name", "parent_key", "active", "pays_for_itself", "source", "changed_at")
    list_filter = ("active", "pays_for_itself", "source")
    search_fields = ("key", "name", "parent_key", "email")
    ordering = ("key",)
    readonly_fields = ("changed_at",)


class ItemMappings(admin.TabularInline):  # type: ignore[type-arg]
    """A product's items, to be read; changed under Item mappings, with a reason of their own."""

    model = ItemMapping
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ("connection", "item", "dimensions", "effective_from", "effective_to")

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Product)
class ProductAdmin(ImportedAdmin):
    resource_classes = [resources.ProductRows]
    inlines = [ItemMappings]
    list_display = ("code", "name", "kind", "revenue_treatment", "tax_code", "product_line", "meter", "active")
    list_filter = ("active", "kind", "revenue_treatment", "product_line")
    search_fields = ("code", "name", "tax_code", "meter")
    ordering = ("code",)


@admin.register(ItemMapping)
class ItemMappingAdmin(ImportedAdmin):
    resource_classes = [resources.ItemMappingRows]
    choices = {"connection": journal_connections}
    list_display = ("product", "connection", "item", "effective_from", "effective_to")
    list_filter = ("connection",)
    list_select_related = ("product",)
    search_fields = ("product__code", "product__name", "item")
    autocomplete_fields = ("product",)
    ordering = ("product__code", "connection", "effective_from")


@admin.register(TaxNexus)
class TaxNexusAdmin(ImportedAdmin):
    resource_classes = [resources.TaxNexusRows]
    choices = {"entity": entities}
    list_display = ("entity", "country", "region", "registration", "effective_from", "effective_to")
    list_filter = ("entity", "country")
    search_fields = ("entity", "country", "region", "registration")
    ordering = ("entity", "country", "region")


@admin.register(CommercialPolicy)
class CommercialPolicyAdmin(ImportedAdmin):
    resource_classes = [resources.CommercialPolicyRows]
    choices = {"entity": entities}
    list_display = ("__str__", "discount_limit_percent")
    search_fields = ("entity",)
