/** The company's extensions, as fields and tables show them. */

import { useList } from "./lists";
import type { Extension } from "./types";

/** The extensions to choose from, by number and name; none while they are loaded. */
export function useExtensionOptions(): { value: string; label: string }[] {
  const extensions = useList<Extension>("extensions").rows ?? [];
  return extensions.map(({ number, name }) => ({ value: number, label: `${number} ${name}` }));
}

/** The name of each extension by its number. */
export function useExtensionNames(): Map<string, string> {
  const extensions = useList<Extension>("extensions").rows ?? [];
  return new Map(extensions.map(({ number, name }) => [number, name]));
}
