"""Coming in, going out, and one's own settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from q2c import clock
from q2c.ui import preferences
from q2c.ui.frame import tell
from q2c.ui.rights import public, signed_in


class SignIn(AuthenticationForm):
    """User name and password. What was wrong is not told apart."""

    error_messages = {
        "invalid_login": "This user name and password do not go together. Both are case-sensitive.",
        "inactive": "This user name and password do not go together. Both are case-sensitive.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"


class _SignInView(LoginView):
    template_name = "registration/sign_in.html"
    form_class = SignIn
    redirect_authenticated_user = True


class _PasswordView(PasswordChangeView):
    template_name = "registration/password.html"
    form_class = PasswordChangeForm
    success_url = reverse_lazy("preferences")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        tell(self.request, "good", "Your password is changed.", "Other places where you were signed in are signed out.")
        return response


sign_in = public(_SignInView.as_view())
sign_out = public(LogoutView.as_view())
password = signed_in(_PasswordView.as_view())


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None, *args: Any) -> HttpResponse:
    """429 after too many wrong passwords; axes calls it."""
    minutes = round(settings.AXES_COOLOFF_TIME * 60)
    page = render(request, "429.html", {"minutes": minutes}, status=429)
    page["Retry-After"] = str(minutes * 60)
    return page


class PreferencesForm(forms.Form):
    """The form behind preferences.Preferences; what is not sent stays as it is."""

    theme = forms.ChoiceField(choices=list(preferences.THEMES.items()), required=False)
    language = forms.ChoiceField(choices=settings.LANGUAGES, required=False)
    zone = forms.ChoiceField(choices=[(name, name.replace("_", " ")) for name in preferences.zones()], required=False)


_COOKIE_OF = {
    "theme": preferences.THEME_COOKIE,
    "zone": preferences.ZONE_COOKIE,
    "language": settings.LANGUAGE_COOKIE_NAME,
}


@public
@require_http_methods(["GET", "POST"])
def own_preferences(request: HttpRequest) -> HttpResponse:
    """Number format, time zone and theme; the theme switch of every page posts here too.

    Public, since it holds nothing but cookies and the sign-in page has the switch.
    """
    chosen = request.preferences  # type: ignore[attr-defined]
    if request.method == "GET":
        form = PreferencesForm(initial={"theme": chosen.theme, "language": chosen.language, "zone": chosen.zone})
        return render(request, "registration/preferences.html", {"form": form, "now": clock.now()})
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return render(request, "registration/preferences.html", {"form": form, "now": clock.now()}, status=422)
    back = _back(request)
    response = redirect(back or "preferences")
    for name, cookie in _COOKIE_OF.items():
        if form.cleaned_data[name]:
            preferences.remember(response, cookie, form.cleaned_data[name])
    if not back:
        tell(request, "good", "Saved.", "Numbers, times and colours follow from now on, in this browser.")
    return response


def _back(request: HttpRequest) -> str:
    """The page to return to, when it is one of ours."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if safe and urlsplit(target).path.startswith("/") else ""
