/** Inbound numbers: where a call to each of the company's numbers goes. */

import { useExtensionNames, useExtensionOptions } from "../../api/extensions";
import type { InboundNumber } from "../../api/types";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { useI18n } from "../../i18n/i18n";

const destinationKinds = ["extension", "number", "flow", "conference"] as const;

/** Lists numbers with their destinations. */
export function NumbersPage() {
  const { t } = useI18n();
  const extensions = useExtensionOptions();
  const names = useExtensionNames();
  return (
    <ResourcePage<InboundNumber>
      spec={{
        resource: "numbers",
        title: t.pages.numbers,
        icon: "number",
        texts: t.numbers,
        nameOf: (row) => row.number,
        columns: [
          {
            key: "number",
            title: t.fields.number,
            main: true,
            cell: (row) => <RowName digits>{row.number}</RowName>,
          },
          {
            key: "destination",
            title: t.numbers.destination,
            cell: ({ destination: { kind, target } }) =>
              `${t.destinationKinds[kind]} ${target} ${kind === "extension" ? (names.get(target) ?? "") : ""}`,
          },
        ],
        fields: [
          {
            name: "number",
            label: t.fields.number,
            kind: "text",
            required: true,
            placeholder: "+74951234567",
            help: t.numbers.numberHelp,
          },
          {
            name: "kind",
            label: t.numbers.destination,
            kind: "select",
            required: true,
            options: destinationKinds.map((value) => ({ value, label: t.destinationKinds[value] })),
          },
          {
            name: "extension",
            label: t.fields.extension,
            kind: "select",
            required: true,
            options: extensions,
            shown: (values) => values.kind === "extension",
          },
          {
            name: "target",
            label: t.numbers.target,
            kind: "text",
            required: true,
            shown: (values) => values.kind !== "extension",
          },
          { name: "greeting", label: t.numbers.greeting, kind: "textarea", help: t.numbers.greetingHelp },
        ],
        toValues: (row) => ({
          number: row?.number ?? "",
          kind: row?.destination.kind ?? "extension",
          extension: row?.destination.kind === "extension" ? row.destination.target : "",
          target: row?.destination.target ?? "",
          greeting: row?.greeting ?? "",
        }),
        toBody: (values) => ({
          number: String(values.number).trim(),
          greeting: String(values.greeting).trim(),
          destination: {
            kind: values.kind,
            target: String(values.kind === "extension" ? values.extension : values.target).trim(),
          },
        }),
      }}
    />
  );
}
