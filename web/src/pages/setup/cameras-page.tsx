/** Cameras: where they are, and whether they count people or recognise those who come back. */

import { Badge, Text } from "@mantine/core";
import type { Camera } from "../../api/types";
import { ResourcePage } from "../../components/resource-page";
import { useI18n } from "../../i18n/i18n";
import { all } from "./bodies";

/** Milliseconds between readings of the cameras' states. */
const REFRESH_MS = 15_000;

/** Lists cameras; recognition asks for its legal basis and the notice at the door. */
export function CamerasPage() {
  const { t } = useI18n();
  const states = t.states as Record<string, string>;
  const recognises = (values: { mode?: unknown }): boolean => values.mode === "recognition";
  return (
    <ResourcePage<Camera>
      spec={{
        resource: "cameras",
        title: t.pages.cameras,
        icon: "camera",
        texts: t.cameras,
        refresh: REFRESH_MS,
        nameOf: (row) => row.name,
        columns: [
          { key: "name", title: t.fields.name, main: true, cell: (row) => <Text fw={600}>{row.name}</Text> },
          {
            key: "source",
            title: t.cameras.source,
            cell: (row) => <span className="mono breakable">{row.source}</span>,
          },
          {
            key: "mode",
            title: t.cameras.mode,
            cell: (row) => (row.mode === "recognition" ? t.cameras.recognition : t.cameras.counting),
          },
          {
            key: "state",
            title: t.fields.state,
            cell: (row) => (
              <Badge variant="light" color={row.state === "running" ? "teal" : "gray"}>
                {row.state ? (states[row.state] ?? row.state) : row.enabled === false ? t.states.off : "—"}
              </Badge>
            ),
          },
        ],
        fields: [
          { name: "name", label: t.fields.name, kind: "text", required: true, onlyNew: true },
          {
            name: "source",
            label: t.cameras.source,
            kind: "text",
            required: true,
            onlyNew: true,
            help: t.cameras.sourceHelp,
            placeholder: "rtsp://192.168.1.20/stream1",
          },
          { name: "enabled", label: t.cameras.enabled, kind: "switch" },
          {
            name: "mode",
            label: t.cameras.mode,
            kind: "select",
            required: true,
            help: t.cameras.modeHelp,
            options: [
              { value: "counting", label: t.cameras.counting },
              { value: "recognition", label: t.cameras.recognition },
            ],
          },
          {
            name: "legal_basis",
            label: t.visitors.legalBasis,
            kind: "textarea",
            required: true,
            help: t.cameras.legalHelp,
            shown: recognises,
          },
          {
            name: "notice",
            label: t.cameras.notice,
            kind: "textarea",
            required: true,
            help: t.cameras.noticeHelp,
            shown: recognises,
          },
        ],
        toValues: (row) => ({
          name: row?.name ?? "",
          source: row?.source ?? "",
          enabled: row?.enabled ?? true,
          mode: row?.mode ?? "counting",
          legal_basis: row?.legal_basis ?? "",
          notice: row?.notice ?? "",
        }),
        toBody: (values, isNew) =>
          all(values, [
            ...(isNew ? ["name", "source"] : []),
            "enabled",
            "mode",
            ...(recognises(values) ? ["legal_basis", "notice"] : []),
          ]),
      }}
    />
  );
}
