/** The company's extensions: whose phone has which number, and whether it is registered. */

import { Badge, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { Extension, NewExtension } from "../../api/types";
import { ResourcePage } from "../../components/resource-page";
import { SecretDialog } from "../../components/secret-dialog";
import { useI18n } from "../../i18n/i18n";
import { filled } from "./bodies";

/** Milliseconds between readings: phones come and go by themselves. */
const REFRESH_MS = 10_000;

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
          nameOf: (row) => `${row.number} ${row.name}`,
          columns: [
            {
              key: "number",
              title: t.fields.number,
              main: true,
              cell: (row) => (
                <Text size="sm" fw={600}>
                  {row.number}
                </Text>
              ),
            },
            { key: "name", title: t.fields.name, cell: (row) => row.name },
            { key: "forward", title: t.extensions.forwardTo, cell: (row) => row.forward_to ?? "—" },
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
            { name: "enabled", label: t.extensions.enabled, kind: "switch" },
          ],
          toValues: (row) => ({
            number: row?.number ?? "",
            name: row?.name ?? "",
            password: "",
            new_password: "",
            forward_to: row?.forward_to ?? "",
            enabled: row?.enabled ?? true,
            existing: row !== undefined,
          }),
          toBody: (values, isNew) =>
            isNew
              ? filled(values, ["number", "name", "password", "forward_to", "enabled"])
              : {
                  ...filled(values, ["name", "enabled"]),
                  forward_to: values.forward_to || null,
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
