/** The company's extensions: whose phone has which number, and whether it is registered. */

import { Badge, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { Extension, NewExtension } from "../../api/types";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { SecretDialog } from "../../components/secret-dialog";
import { useI18n } from "../../i18n/i18n";
import { filled } from "./bodies";
import { waitingText } from "./waiting";

/** Milliseconds between readings: phones come and go by themselves. */
const REFRESH_MS = 10_000;
const TARGETS = ["forward_to", "forward_busy_to", "forward_no_answer_to", "forward_unavailable_to"] as const;
const NAMES = ["name", "enabled", "do_not_disturb", "call_waiting", "supervises", "dtmf", "encryption"];

/** Lists extensions; a password that the server generated is shown once. */
export function ExtensionsPage() {
  const { t } = useI18n();
  const [created, setCreated] = useState<NewExtension | null>(null);
  return (
    <>
      <ResourcePage<Extension, NewExtension>
        spec={{
          resource: "extensions",
          title: t.pages.extensions,
          icon: "extension",
          texts: t.extensions,
          refresh: REFRESH_MS,
          search: { parameter: "search", label: t.live.targetPlaceholder, maxLength: 200 },
          nameOf: (row) => `${row.number} ${row.name}`,
          columns: [
            {
              key: "number",
              title: t.fields.number,
              main: true,
              cell: (row) => <RowName>{row.number}</RowName>,
            },
            { key: "name", title: t.fields.name, cell: (row) => row.name },
            { key: "forward", title: t.extensions.forwardTo, cell: (row) => row.forward_to ?? "—" },
            {
              key: "messages",
              title: t.extensions.messages,
              cell: (row) => <Messages counts={row.waiting_messages} />,
            },
            { key: "state", title: t.fields.state, cell: (row) => <Registered extension={row} /> },
          ],
          fields: [
            {
              name: "number",
              label: t.fields.number,
              kind: "text",
              required: true,
              onlyNew: true,
              placeholder: "1003",
            },
            { name: "name", label: t.fields.name, kind: "text", required: true },
            {
              name: "password",
              label: t.signIn.password,
              kind: "password",
              help: t.extensions.passwordHelp,
              onlyNew: true,
            },
            {
              name: "new_password",
              label: t.signIn.password,
              kind: "password",
              help: t.extensions.keepPassword,
              shown: (values) => values.existing === true,
            },
            { name: "forward_to", label: t.extensions.forwardTo, kind: "text", help: t.extensions.forwardHelp },
            { name: "forward_busy_to", label: t.forwarding.busyTo, kind: "text" },
            { name: "forward_no_answer_to", label: t.forwarding.noAnswerTo, kind: "text" },
            {
              name: "forward_no_answer_seconds",
              label: t.forwarding.seconds,
              kind: "number",
              required: true,
              min: 0,
              max: 300,
              shown: (values) => values.forward_no_answer_to !== "",
            },
            { name: "forward_unavailable_to", label: t.forwarding.unavailableTo, kind: "text" },
            { name: "do_not_disturb", label: t.forwarding.doNotDisturb, kind: "switch" },
            { name: "call_waiting", label: t.forwarding.callWaiting, kind: "switch" },
            { name: "supervises", label: t.extensions.supervises, kind: "switch", help: t.extensions.supervisesHelp },
            {
              name: "encryption",
              label: t.extensions.encryption,
              kind: "select",
              required: true,
              help: t.extensions.encryptionHelp,
              options: Object.entries(t.encryptions).map(([value, label]) => ({ value, label })),
            },
            {
              name: "dtmf",
              label: t.extensions.keys,
              kind: "select",
              required: true,
              help: t.extensions.keysHelp,
              options: Object.entries(t.keyWays).map(([value, label]) => ({ value, label })),
            },
            { name: "enabled", label: t.extensions.enabled, kind: "switch" },
          ],
          toValues: (row) => ({
            number: row?.number ?? "",
            name: row?.name ?? "",
            password: "",
            new_password: "",
            ...Object.fromEntries(TARGETS.map((target) => [target, row?.[target] ?? ""])),
            forward_no_answer_seconds: row?.forward_no_answer_seconds ?? 0,
            do_not_disturb: row?.do_not_disturb ?? false,
            call_waiting: row?.call_waiting ?? true,
            supervises: row?.supervises ?? false,
            dtmf: row?.dtmf ?? "rfc4733",
            encryption: row?.encryption ?? "optional",
            enabled: row?.enabled ?? true,
            existing: row !== undefined,
          }),
          toBody: (values, isNew) =>
            isNew
              ? filled(values, ["number", "password", "forward_no_answer_seconds", ...TARGETS, ...NAMES])
              : {
                  ...filled(values, ["forward_no_answer_seconds", ...NAMES]),
                  ...Object.fromEntries(TARGETS.map((target) => [target, values[target] || null])),
                  ...(values.new_password ? { password: values.new_password } : {}),
                },
          onCreated: setCreated,
        }}
      />
      {created?.password && (
        <SecretDialog
          name={`${created.number} ${created.name}`}
          secret={created.password}
          onClose={() => setCreated(null)}
        />
      )}
    </>
  );
}

function Messages({ counts }: { counts: Extension["waiting_messages"] }) {
  const { t } = useI18n();
  const text = counts ? waitingText(counts, t) : "";
  return (
    <Text size="sm" fw={counts && counts.new > 0 ? 600 : 400}>
      {text || "—"}
    </Text>
  );
}

function Registered({ extension }: { extension: Extension }) {
  const { t } = useI18n();
  if (!extension.enabled || !extension.registered) {
    return (
      <Badge variant="light" color="gray">
        {extension.enabled ? t.extensions.offline : t.states.disabled}
      </Badge>
    );
  }
  return (
    <Stack gap={2}>
      <Badge variant="light" color="teal">
        {t.extensions.online}
      </Badge>
      {extension.contacts.map((contact) => (
        <Group key={contact.uri} gap={6}>
          <Text size="xs" c="dimmed">
            {contact.user_agent || contact.uri} · {contact.source}
          </Text>
        </Group>
      ))}
    </Stack>
  );
}
