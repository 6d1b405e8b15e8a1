/** Outbound routes: which trunk carries a dialled number, chosen by how it begins. */

import { useList } from "../../api/lists";
import type { Route, Trunk } from "../../api/types";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { useI18n } from "../../i18n/i18n";
import { all } from "./bodies";

const NAMES = ["name", "prefix", "trunks", "strip", "prepend", "priority"];

/** Lists routes. */
export function RoutesPage() {
  const { t } = useI18n();
  const trunks = useList<Trunk>("trunks").rows ?? [];
  return (
    <ResourcePage<Route>
      spec={{
        resource: "routes",
        title: t.pages.routes,
        icon: "route",
        texts: t.routes,
        nameOf: (row) => row.name,
        columns: [
          {
            key: "name",
            title: t.fields.name,
            main: true,
            cell: (row) => <RowName>{row.name}</RowName>,
          },
          {
            key: "prefix",
            title: t.fields.prefix,
            cell: (row) => <span className="digits">{row.prefix || t.routes.anyNumber}</span>,
          },
          { key: "trunks", title: t.pages.trunks, cell: (row) => row.trunks.join(" → ") },
          {
            key: "change",
            title: t.routes.change,
            cell: (row) => t.routes.changeText(row.strip, row.prepend),
          },
          { key: "priority", title: t.routes.priority, align: "right", cell: (row) => row.priority },
        ],
        fields: [
          { name: "name", label: t.fields.name, kind: "text", required: true },
          { name: "prefix", label: t.fields.prefix, kind: "text", help: t.routes.prefixHelp, placeholder: "+7" },
          {
            name: "trunks",
            label: t.pages.trunks,
            kind: "tags",
            required: true,
            help: t.routes.trunksHelp,
            options: trunks.map(({ name }) => ({ value: name, label: name })),
          },
          { name: "strip", label: t.routes.strip, kind: "number", min: 0, max: 19, help: t.routes.stripHelp },
          { name: "prepend", label: t.routes.prepend, kind: "text", help: t.routes.prependHelp },
          {
            name: "priority",
            label: t.routes.priority,
            kind: "number",
            min: 0,
            max: 1000,
            help: t.routes.priorityHelp,
          },
        ],
        toValues: (row) => ({
          name: row?.name ?? "",
          prefix: row?.prefix ?? "",
          trunks: row?.trunks ?? [],
          strip: row?.strip ?? 0,
          prepend: row?.prepend ?? "",
          priority: row?.priority ?? 0,
        }),
        toBody: (values) => all(values, NAMES),
      }}
    />
  );
}
