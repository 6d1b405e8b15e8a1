/** The row of filters above the call history. */

import { Button, Group, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { Icon } from "../../components/icons";
import { useI18n } from "../../i18n/i18n";
import { type CallFilterValues, directions, dispositions, writeFilters } from "./filters";

/** Milliseconds without typing before the list follows. */
const PAUSE_MS = 350;

/** Writes every choice into the address, which the list follows. */
export function CallFilters({ filters }: { filters: CallFilterValues }) {
  const { t } = useI18n();
  const [search, setSearch] = useSearchParams();
  const [number, setNumber] = useState(filters.number);
  const apply = (change: Partial<CallFilterValues>): void =>
    setSearch(writeFilters({ ...filters, ...change }), { replace: true });
  const applyNumber = useDebouncedCallback((value: string) => apply({ number: value }), PAUSE_MS);

  return (
    <Group gap="xs" align="flex-end" component="search" className="filters">
      <TextInput
        label={t.fields.number}
        placeholder={t.calls.numberPlaceholder}
        leftSection={<Icon name="search" size={16} />}
        inputMode="tel"
        maxLength={32}
        value={number}
        onChange={(event) => {
          setNumber(event.currentTarget.value);
          applyNumber(event.currentTarget.value);
        }}
        w={240}
      />
      <Select
        label={t.fields.direction}
        placeholder={t.common.all}
        clearable
        data={directions.map((value) => ({ value, label: t.directions[value] }))}
        value={filters.direction || null}
        onChange={(value) => apply({ direction: value ?? "" })}
        w={150}
      />
      <Select
        label={t.fields.result}
        placeholder={t.common.all}
        clearable
        data={dispositions.map((value) => ({ value, label: t.dispositions[value] }))}
        value={filters.disposition || null}
        onChange={(value) => apply({ disposition: value ?? "" })}
        w={160}
      />
      <TextInput
        type="date"
        label={t.calls.since}
        value={filters.since}
        max={filters.until || undefined}
        onChange={(event) => apply({ since: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label={t.calls.until}
        value={filters.until}
        min={filters.since || undefined}
        onChange={(event) => apply({ until: event.currentTarget.value })}
      />
      {search.size > 0 && (
        <Button
          variant="subtle"
          onClick={() => {
            setNumber("");
            setSearch({}, { replace: true });
          }}
        >
          {t.common.clear}
        </Button>
      )}
    </Group>
  );
}
