"""The OpenAPI 3.1 document of the API, from the views themselves, and its pages: nothing is loaded from elsewhere."""

from __future__ import annotations

from typing import Any

from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from q2c.api.rights import SIGNED_IN
from q2c.ui.rights import signed_in


class Document(SpectacularAPIView):
    """This document."""

    right = SIGNED_IN
    renderer_classes = [OpenApiJsonRenderer]


class Pages(SpectacularSwaggerSplitView):
    """In the frame of the other pages; what draws them is a script of its own address, as their policy asks."""

    right = SIGNED_IN
    url_name = "api-document"
    template_name = "api/docs.html"


openapi = Document.as_view()
# People without a session are sent to sign in, not shown an error.
docs: Any = signed_in(Pages.as_view())
