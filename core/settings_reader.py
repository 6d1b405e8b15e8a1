"""How settings are read: a TOML file or `RAMAL_…` variables; an unknown name is refused.

Variables win over the file, the file over the defaults. A nested setting's variable joins the names with an underscore:
`RAMAL_SIP_PORT`, `RAMAL_MQTT_HOST`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from core.errors import Fault, RamalError
from core.settings import Section, Settings

_PREFIX: Final = "RAMAL_"
_PORT_BASE: Final = "port_base"


class SettingsError(RamalError):
    """A setting is unknown, has a wrong value, or its file cannot be read."""

    id = "core.settings"
    fault = Fault.CALLER


def ports_from_base(base: int) -> dict[str, dict[str, int]]:
    """Return the ports of a second copy: SIP at `base`, web at +2, MQTT at +3, RTP from +100 to +9999 (or 65535).

    TLS follows at +1 and HTTPS at +4.
    """
    return {
        "sip": {"port": base},
        "web": {"port": base + 2},
        "mqtt": {"port": base + 3},
        "media": {"first_port": (base + 101) // 2 * 2, "last_port": min(base + 9_999, 65_535)},
    }


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] | None = None, **overrides: object
) -> Settings:
    """Read settings from the file and the variables.

    Args:
        file: a TOML file, or None.
        environment: variables, of which those that begin with `RAMAL_` count.
        overrides: top-level settings that win over all, None meaning not given.

    Raises:
        SettingsError: with the unknown name and the nearest known one, or the wrong value and its rule.
    """
    values = _read_file(file) if file is not None else {}
    variables = {key: value for key, value in (environment or {}).items() if key.startswith(_PREFIX)}
    base = variables.pop(f"{_PREFIX}PORT_BASE", None)
    if base is not None:
        _merge(values, ports_from_base(_port_base(base)))
    for key, value in variables.items():
        _merge(values, _nested(key, value))
    _merge(values, {key: value for key, value in overrides.items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error), hint="Correct it in the settings file or the environment.") from error


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"There is no settings file {file}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {file} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {file} is not valid TOML: {error}.") from error


def _port_base(text: str) -> int:
    if not text.isdigit() or not 1024 <= int(text) <= 65_000:
        raise SettingsError(f"RAMAL_PORT_BASE is “{text[:20]}”, but must be a port from 1024 to 65000.")
    return int(text)


def _nested(variable: str, value: str) -> dict[str, Any]:
    name = variable.removeprefix(_PREFIX).lower()
    if name in _variable_names() and name in Settings.model_fields:
        return {name: value}
    section, _, rest = name.partition("_")
    if rest and f"{section}_{rest}" in _variable_names():
        return {section: {rest: value}}
    nearest = difflib.get_close_matches(name, _variable_names(), n=1, cutoff=0.5)
    hint = f"Did you mean {_PREFIX}{nearest[0].upper()}?" if nearest else "The README lists all settings."
    raise SettingsError(f"There is no setting {variable}.", hint=hint)


def _variable_names() -> list[str]:
    names = [_PORT_BASE]
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        inner = kind.model_fields if isinstance(kind, type) and issubclass(kind, Section) else None
        names += [name] if inner is None else [f"{name}_{one}" for one in inner]
    return names


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if not isinstance(value, Mapping):
            into[key] = value
        elif isinstance(section := into.get(key, {}), dict):
            into[key] = {**section, **value}
        # Else the file has something else in the section's place, which is refused as that.


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    *place, last = path = [str(part) for part in first["loc"]]
    name = ".".join(path)
    fields = _fields_of(place)
    if first["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(last, fields, n=1, cutoff=0.5)
        prefix = ".".join([*place, ""])
        return f"There is no setting “{name}”." + (f" Did you mean “{prefix}{nearest[0]}”?" if nearest else "")
    rule = f"The setting “{name}” is wrong: {first['msg'].removeprefix('Value error, ')}"
    holds_secrets = last in fields and not fields[last].repr
    return f"{rule}." if holds_secrets else f"{rule} (given: {str(first['input'])[:60]})."


def _fields_of(place: list[str]) -> dict[str, FieldInfo]:
    """Return the settings of a section, or none where there is no such section."""
    fields: dict[str, FieldInfo] = Settings.model_fields
    for part in place:
        fields = getattr(fields[part].annotation, "model_fields", {}) if part in fields else {}
    return fields
