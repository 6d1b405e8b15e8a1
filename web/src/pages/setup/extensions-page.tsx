/** The company's extensions: whose phone has which number, and whether it is registered. */

import { Badge, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { Extension } from "../../api/types";
import { ResourcePage } from "../../components/resource-page";
import { SecretDialog } from "../../components/secret-dialog";
import { useI18n } from "../../i18n/i18n";
import { filled } from "./bodies";

/** Milliseconds between readings: phones come and go by themselves. */
const REFRESH_MS = 10_000;

/** Lists extensions; a password that the server generated is shown once. */
export function ExtensionsPage() {
  const { t } = useI18n();
  const [created, setCreated] = useState<Extension | null>(null);
  const [given, setGiven] = useState("");
  return (
    <>
      <ResourcePage<Extension>
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
            { name: "password", label: t.signIn.password, kind: "password", help: t.extensions.passwordHelp },
          ],
          toValues: (row) => ({ number: row?.number ?? "", name: row?.name ?? "", password: "" }),
          toBody: (values, isNew) => {
            setGiven(String(values.password));
            return filled(values, isNew ? ["number", "name", "password"] : ["name", "password"]);
          },
          onCreated: setCreated,
        }}
      />
      {created?.password && !given && (
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
  if (!extension.registered) {
    return (
      <Badge variant="light" color="gray">
        {t.extensions.offline}
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
