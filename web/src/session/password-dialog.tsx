/** Changes the own password; the server then ends every session of the user, so that one signs in with the new one. */

import { PasswordInput, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { post } from "../api/client";
import { ApiError } from "../api/problem";
import { FormDialog } from "../components/form-dialog";
import { notifyDone } from "../components/notify";
import { useI18n } from "../i18n/i18n";

/** The fewest characters of a password, as the server has it. */
const SHORTEST = 8;

/** Asks for the present password and a new one. */
export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const queries = useQueryClient();
  const form = useForm({
    initialValues: { current_password: "", new_password: "" },
    validate: {
      current_password: (value) => (value ? null : t.common.required),
      new_password: (value) => (value.length >= SHORTEST ? null : t.password.tooShort(SHORTEST)),
    },
  });
  const change = useMutation({
    mutationFn: (values: typeof form.values) => post("/session/password", values),
    onSuccess: () => {
      notifyDone(t.password.changed);
      queries.setQueryData(["session"], null);
    },
  });
  const wrong = change.error instanceof ApiError && change.error.status === 401;
  const shared = { visibilityToggleButtonProps: { "aria-label": t.signIn.showPassword } };

  return (
    <FormDialog
      title={t.password.change}
      error={wrong ? null : change.error}
      pending={change.isPending}
      onSubmit={form.onSubmit((values) => change.mutate(values))}
      onClose={onClose}
    >
      <PasswordInput
        label={t.password.current}
        autoComplete="current-password"
        {...shared}
        {...form.getInputProps("current_password")}
      />
      <PasswordInput
        label={t.password.next}
        description={t.password.nextHelp}
        autoComplete="new-password"
        maxLength={128}
        {...shared}
        {...form.getInputProps("new_password")}
      />
      {wrong && (
        <Text c="red" size="sm" role="alert">
          {t.password.wrong}
        </Text>
      )}
    </FormDialog>
  );
}
