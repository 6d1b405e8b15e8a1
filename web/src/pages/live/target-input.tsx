/** A field for a number to call or transfer to, which offers the company's extensions. */

import { Autocomplete, type AutocompleteProps, Group, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData } from "@tanstack/react-query";
import { useList } from "../../api/lists";
import type { Extension, LiveCall } from "../../api/types";
import { useI18n } from "../../i18n/i18n";

/** Milliseconds without typing before the extensions are searched. */
const SEARCH_PAUSE_MS = 200;

/** Takes any number; extensions are found by number or name, with those that are reachable first. */
export function TargetInput({ except, ...props }: AutocompleteProps & { except?: LiveCall }) {
  const { t } = useI18n();
  const [search] = useDebouncedValue(String(props.value ?? "").trim(), SEARCH_PAUSE_MS);
  const extensions = useList<Extension>("extensions", { search }, { placeholderData: keepPreviousData }).rows ?? [];
  const busy = new Set(except?.legs.map((leg) => leg.extension));
  const offered = extensions
    .filter((extension) => !busy.has(extension.number))
    .sort((a, b) => Number(b.registered) - Number(a.registered) || a.number.localeCompare(b.number));
  const byNumber = new Map(offered.map((extension) => [extension.number, extension]));

  return (
    <Autocomplete
      data={offered.map((extension) => extension.number)}
      filter={({ options, search }) => {
        const wanted = search.trim().toLowerCase();
        return options.filter((option) => {
          if (!("value" in option)) return false;
          const name = byNumber.get(option.value)?.name.toLowerCase() ?? "";
          return option.value.includes(wanted) || name.includes(wanted);
        });
      }}
      renderOption={({ option }) => {
        const extension = byNumber.get(option.value);
        return (
          <Group gap="xs" wrap="nowrap">
            <span className={extension?.registered ? "dot on" : "dot"} aria-hidden="true" />
            <Text size="sm">
              {option.value} {extension?.name}
            </Text>
            {!extension?.registered && (
              <Text size="xs" c="dimmed">
                {t.extensions.offline}
              </Text>
            )}
          </Group>
        );
      }}
      limit={30}
      maxLength={64}
      inputMode="tel"
      autoComplete="off"
      placeholder={t.live.targetPlaceholder}
      {...props}
    />
  );
}
