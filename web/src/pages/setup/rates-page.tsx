/** Rates: what a minute to numbers of each beginning costs; typed in one by one, or imported from a CSV file. */

import type { Rate } from "../../api/types";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { startOfDay } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { all, decimalText } from "./bodies";
import { RateImport } from "./rate-import";

export const numberKinds = ["landline", "mobile", "toll_free", "premium", "international", "internal"] as const;

/** Lists rates; a rate in use is not changed but replaced by one that is valid later. */
export function RatesPage() {
  const { t, f, timeZone } = useI18n();
  const kinds = numberKinds.map((value) => ({ value, label: t.numberKinds[value] }));
  const time = (day: unknown): string | null => 
    typeof day === "string" && day ? startOfDay(day, timeZone) : null;
  return (
    <ResourcePage<Rate>
      spec={{
        resource: "rates",
        title: t.pages.rates,
        icon: "rate",
        texts: t.rates,
        actions: <RateImport />,
        editable: false,
        kept: (answer) =>
          (answer as { result?: string } | undefined)?.result === "closed" ? t.rates.stillNamed : undefined,
        search: { parameter: "prefix", label: t.rates.findPrefix, maxLength: 16 },
        nameOf: (row) => row.prefix,
        columns: [
          {
            key: "prefix",
            title: t.fields.prefix,
            main: true,
            cell: (row) => <RowName digits>{row.prefix}</RowName>,
          },
          { key: "kind", title: t.fields.kind, cell: (row) => (row.kind ? t.numberKinds[row.kind] : t.rates.anyKind) },
          {
            key: "price",
            title: t.rates.price,
            align: "right",
            cell: (row) => <span className="digits">{f.money(row.price_per_minute, row.currency)}</span>,
          },
          {
            key: "steps",
            title: t.rates.steps,
            align: "right",
            cell: (row) => (
              <span className="digits">
                {row.first_increment}/{row.increment} {t.rates.seconds}
              </span>
            ),
          },
          {
            key: "fee",
            title: t.rates.fee,
            align: "right",
            cell: (row) => <span className="digits">{f.money(row.connection_fee, row.currency)}</span>,
          },
          {
            key: "valid",
            title: t.rates.valid,
            cell: (row) =>
              t.rates.validText(row.valid_from ? f.date(row.valid_from) : "", row.valid_to ? f.date(row.valid_to) : ""),
          },
        ],
        fields: [
          {
            name: "prefix",
            label: t.fields.prefix,
            kind: "text",
            required: true,
            help: t.rates.prefixHelp,
            placeholder: "7495",
          },
          { name: "kind", label: t.fields.kind, kind: "select", options: kinds, help: t.rates.kindHelp },
          { name: "price_per_minute", label: t.rates.price, kind: "decimal", required: true, placeholder: "0.72" },
          { name: "currency", label: t.fields.currency, kind: "text", placeholder: "RUB", help: t.rates.currencyHelp },
          { name: "first_increment", label: t.rates.first, kind: "number", required: true, min: 1, max: 3600 },
          { name: "increment", label: t.rates.next, kind: "number", required: true, min: 1, max: 3600 },
          { name: "connection_fee", label: t.rates.fee, kind: "decimal", required: true },
          { name: "valid_from", label: t.rates.validFrom, kind: "date" },
          { name: "valid_to", label: t.rates.validTo, kind: "date" },
        ],
        toValues: () => ({
          prefix: "",
          kind: "",
          price_per_minute: "",
          currency: "",
          first_increment: 60,
          increment: 60,
          connection_fee: "0",
          valid_from: "",
          valid_to: "",
        }),
        toBody: (values) => ({
          ...all(values, ["prefix", "first_increment", "increment"]),
          kind: values.kind || null,
          currency: String(values.currency).trim().toUpperCase() || null,
          price_per_minute: decimalText(values.price_per_minute),
          connection_fee: decimalText(values.connection_fee),
          valid_from: time(values.valid_from),
          valid_to: time(values.valid_to),
        }),
      }}
    />
  );
}
