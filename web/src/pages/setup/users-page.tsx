/** Users: who may sign in to this app, and in which role. */

import { Badge } from "@mantine/core";
import { useState } from "react";
import { useExtensionOptions } from "../../api/extensions";
import type { NewUser, User } from "../../api/types";
import { RowName } from "../../components/data-table";
import { ResourcePage } from "../../components/resource-page";
import { SecretDialog } from "../../components/secret-dialog";
import { languageOptions, useI18n } from "../../i18n/i18n";
import { filled } from "./bodies";

export const roles = ["agent", "manager", "owner", "administrator"] as const;

/** Lists users; a password that the server generated is shown once. */
export function UsersPage() {
  const { t, f } = useI18n();
  const [created, setCreated] = useState<NewUser | null>(null);
  const extensions = useExtensionOptions();
  return (
    <>
      <ResourcePage<User, NewUser>
        spec={{
          resource: "users",
          title: t.pages.users,
          icon: "users",
          texts: t.users,
          nameOf: (row) => row.name || row.username,
          columns: [
            {
              key: "username",
              title: t.signIn.username,
              main: true,
              cell: (row) => <RowName>{row.username}</RowName>,
            },
            { key: "name", title: t.fields.name, cell: (row) => row.name },
            { key: "role", title: t.users.role, cell: (row) => t.roles[row.role] },
            { key: "extension", title: t.fields.extension, cell: (row) => row.extension || "—" },
            {
              key: "seen",
              title: t.users.lastSignIn,
              cell: (row) =>
                row.active ? (
                  <span className="digits">{row.last_sign_in_at ? f.dateTime(row.last_sign_in_at) : "—"}</span>
                ) : (
                  <Badge variant="light" color="gray">
                    {t.users.inactive}
                  </Badge>
                ),
            },
          ],
          fields: [
            { name: "username", label: t.signIn.username, kind: "text", required: true, onlyNew: true },
            { name: "name", label: t.fields.name, kind: "text", required: true },
            {
              name: "role",
              label: t.users.role,
              kind: "select",
              required: true,
              help: t.users.roleHelp,
              options: roles.map((value) => ({ value, label: t.roles[value] })),
            },
            {
              name: "extension",
              label: t.fields.extension,
              kind: "select",
              help: t.users.extensionHelp,
              options: extensions,
            },
            { name: "email", label: t.fields.email, kind: "text" },
            {
              name: "language",
              label: t.fields.language,
              kind: "select",
              options: languageOptions,
            },
            { name: "password", label: t.signIn.password, kind: "password", help: t.extensions.passwordHelp, changeHelp: t.extensions.keepPassword },
            { name: "active", label: t.users.active, kind: "switch", shown: (values) => values.existing === true },
          ],
          toValues: (row) => ({
            username: row?.username ?? "",
            name: row?.name ?? "",
            role: row?.role ?? "agent",
            extension: row?.extension ?? "",
            email: row?.email ?? "",
            language: row?.language ?? "",
            password: "",
            active: row?.active ?? true,
            existing: row !== undefined,
          }),
          toBody: (values, isNew) =>
            isNew
              ? filled(values, ["username", "name", "role", "extension", "email", "language", "password"])
              : {
                  ...filled(values, ["name", "role", "password", "active"]),
                  extension: values.extension || null,
                  email: values.email || null,
                  language: values.language || null,
                },
          onCreated: setCreated,
        }}
      />
      {created?.password && (
        <SecretDialog name={created.username} secret={created.password} onClose={() => setCreated(null)} />
      )}
    </>
  );
}
