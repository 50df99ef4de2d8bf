"""A stand-in Zuora tenant."""

from q2c.connectors.sandbox_kit import Sandbox

sandbox = Sandbox("zuora", "Zuora")
