/** Cameras: where they are, and whether they count people or recognise those who come back. */

import { Stack, Text } from "@mantine/core";
import type { Camera } from "../../api/types";
import { CameraBadge } from "../../components/camera-badge";
import type { FormValues } from "../../components/resource-form";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { useI18n } from "../../i18n/i18n";
import { all } from "./bodies";

/** Milliseconds between readings of the cameras' states. */
const REFRESH_MS = 15_000;

/** Whether the change switches recognition on, which asks for a consent record. */
function beginsToRecognise(values: FormValues): boolean {
  return values.mode === "recognition" && values.before === "counting";
}

/** Lists cameras; recognition asks for its legal basis and the notice at the door. */
export function CamerasPage() {
  const { t } = useI18n();
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
          {
            key: "name",
            title: t.fields.name,
            main: true,
            cell: (row) => <RowName>{row.name}</RowName>,
          },
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
              <Stack gap={2} align="flex-start">
                <CameraBadge camera={row} />
                {row.error && (
                  <Text size="xs" c="red">
                    {row.error}
                  </Text>
                )}
              </Stack>
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
            shown: (values) => values.before !== "",
          },
          {
            name: "legal_basis",
            label: t.visitors.legalBasis,
            kind: "textarea",
            required: true,
            help: t.cameras.legalHelp,
            shown: beginsToRecognise,
          },
          {
            name: "notice",
            label: t.cameras.notice,
            kind: "textarea",
            required: true,
            help: t.cameras.noticeHelp,
            shown: beginsToRecognise,
          },
        ],
        toValues: (row) => ({
          name: row?.name ?? "",
          source: row?.source ?? "",
          enabled: row?.enabled ?? true,
          before: row?.mode ?? "",
          mode: row?.mode ?? "counting",
          legal_basis: "",
          notice: "",
        }),
        toBody: (values, isNew) => {
          if (isNew) return all(values, ["name", "source", "enabled"]);
          if (values.mode === values.before) return all(values, ["enabled"]);
          const consent = values.mode === "recognition" ? all(values, ["legal_basis", "notice"]) : null;
          return { ...all(values, ["enabled"]), recognition: consent };
        },
      }}
    />
  );
}
