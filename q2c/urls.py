"""Every address of the project: pages at the root, the REST API below /api/v1/, master data below /admin/."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from q2c.ops import views as ops

urlpatterns = [
    path("healthz", ops.healthz, name="healthz"),
    path("readyz", ops.readyz, name="readyz"),
    path("metrics", ops.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("q2c.api.urls")),
    path("", include("q2c.ui.urls")),
]

handler400 = "q2c.ui.errors.unreadable"
handler403 = "q2c.ui.errors.denied"
handler404 = "q2c.ui.errors.not_found"
handler500 = "q2c.ui.errors.failed"
