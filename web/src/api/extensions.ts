/** The company's extensions, as fields and tables show them. */

import { useAll } from "./lists";
import type { Extension } from "./types";

/** The extensions to choose from, by number and name; none while they are loaded, or where there is nothing to choose (`enabled`). */
export function useExtensionOptions(enabled = true): { value: string; label: string }[] {
  const extensions = useAll<Extension>("extensions", { enabled }) ?? [];
  return extensions.map(({ number, name }) => ({ value: number, label: `${number} ${name}` }));
}

/** The name of each extension by its number. */
export function useExtensionNames(): Map<string, string> {
  const extensions = useAll<Extension>("extensions") ?? [];
  return new Map(extensions.map(({ number, name }) => [number, name]));
}
