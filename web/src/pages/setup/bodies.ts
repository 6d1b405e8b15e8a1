/** Makes the API's bodies of what forms hold. */

import type { FormValues } from "../../components/resource-form";

/** The named values, texts trimmed; empty texts are left out, so that the server's own default holds. */
export function filled(values: FormValues, names: readonly string[]): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const name of names) {
    const value = values[name];
    const plain = typeof value === "string" ? value.trim() : value;
    if (plain !== "" && plain !== undefined) body[name] = plain;
  }
  return body;
}

/** The named values, texts trimmed, empty ones too: so that a change can clear a field. */
export function all(values: FormValues, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.map((name) => {
      const value = values[name];
      return [name, typeof value === "string" ? value.trim() : value];
    }),
  );
}

/** Writes a decimal as the API takes it: with a point, whatever the keyboard has. */
export function decimalText(value: unknown): string {
  return (typeof value === "string" || typeof value === "number" ? String(value) : "")
    .trim()
    .replace(/\s/g, "")
    .replace(",", ".");
}
