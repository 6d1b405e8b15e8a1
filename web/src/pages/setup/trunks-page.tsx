/** Trunks: the lines to operators, which register or are known by their address. */

import { Badge, Stack, Text } from "@mantine/core";
import type { Trunk } from "../../api/types";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { useI18n } from "../../i18n/i18n";
import { all, filled } from "./bodies";

/** Milliseconds between readings of the trunks' states. */
const REFRESH_MS = 10_000;
const NAMES = ["host", "transport", "username", "register", "allow_from", "tls_verify", "enabled"];

function isGood(state: string): boolean {
  return state === "registered" || state === "reachable";
}

function colourOf(state: string): string {
  if (isGood(state)) return "teal";
  return state === "unknown" || state === "disabled" ? "gray" : "red";
}

/** Lists trunks with their state. */
export function TrunksPage() {
  const { t } = useI18n();
  const states = t.states as Record<string, string>;
  return (
    <ResourcePage<Trunk>
      spec={{
        resource: "trunks",
        title: t.pages.trunks,
        icon: "trunk",
        texts: t.trunks,
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
            key: "host",
            title: t.trunks.address,
            cell: (row) => `${row.host}${row.port ? `:${row.port}` : ""} ${row.transport.toUpperCase()}`,
          },
          { key: "user", title: t.signIn.username, cell: (row) => row.username || "—" },
          { key: "from", title: t.trunks.allowFrom, cell: (row) => row.allow_from.join(", ") || "—" },
          {
            key: "state",
            title: t.fields.state,
            cell: (row) => (
              <Stack gap={2} align="flex-start">
                <Badge variant="light" color={colourOf(row.state)}>
                  {states[row.state] ?? row.state}
                </Badge>
                {row.state_reason && !isGood(row.state) && (
                  <Text size="xs" c="dimmed">
                    {row.state_reason}
                  </Text>
                )}
              </Stack>
            ),
          },
        ],
        fields: [
          { name: "name", label: t.fields.name, kind: "text", required: true, onlyNew: true, help: t.trunks.nameHelp },
          { name: "host", label: t.trunks.host, kind: "text", required: true, placeholder: "sip.example.com" },
          { name: "port", label: t.trunks.port, kind: "number", min: 1, max: 65_535, help: t.trunks.portHelp },
          {
            name: "transport",
            label: t.trunks.transport,
            kind: "select",
            required: true,
            options: ["udp", "tcp", "tls"].map((value) => ({ value, label: value.toUpperCase() })),
          },
          { name: "register", label: t.trunks.register, kind: "switch", help: t.trunks.registerHelp },
          { name: "username", label: t.signIn.username, kind: "text", help: t.trunks.usernameHelp },
          { name: "password", label: t.signIn.password, kind: "password", changeHelp: t.trunks.passwordHelp },
          { name: "allow_from", label: t.trunks.allowFrom, kind: "tags", help: t.trunks.allowFromHelp },
          { name: "tls_verify", label: t.trunks.tlsVerify, kind: "switch", help: t.trunks.tlsVerifyHelp },
          { name: "caller_id", label: t.trunks.callerId, kind: "text", help: t.trunks.callerIdHelp },
          { name: "enabled", label: t.trunks.enabled, kind: "switch" },
        ],
        toValues: (row) => ({
          name: row?.name ?? "",
          host: row?.host ?? "",
          port: row?.port ?? "",
          transport: row?.transport ?? "udp",
          register: row?.register ?? false,
          username: row?.username ?? "",
          password: "",
          allow_from: row?.allow_from ?? [],
          tls_verify: row?.tls_verify ?? false,
          caller_id: row?.caller_id ?? "",
          enabled: row?.enabled ?? true,
        }),
        toBody: (values, isNew) => ({
          ...all(values, isNew ? ["name", ...NAMES] : NAMES),
          ...filled(values, ["password"]),
          port: values.port || null,
          caller_id: values.caller_id || null,
        }),
      }}
    />
  );
}
