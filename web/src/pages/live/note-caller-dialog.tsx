/** Makes the caller a lead or a contact while the call goes on. */

import { Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { customerNumber } from "../../api/calls";
import { post } from "../../api/client";
import { useChange } from "../../api/lists";
import type { LiveCall } from "../../api/types";
import { FormDialog } from "../../components/form-dialog";
import { notifyDone } from "../../components/notify";
import { useI18n } from "../../i18n/i18n";

/** Asks for what the call does not know by itself; the number and the name it knows are filled in. */
export function NoteCallerDialog({
  call,
  kind,
  onClose,
}: {
  call: LiveCall;
  kind: "lead" | "contact";
  onClose: () => void;
}) {
  const { t } = useI18n();
  const form = useForm({
    initialValues: { name: call.from_name ?? "", phone: customerNumber(call), note: "" },
    validate: { phone: (value) => (value.trim() ? null : t.common.required) },
  });
  const save = useChange(
    ({ name, phone, note }: typeof form.values) =>
      post(`/calls/${call.id}/${kind}`, {
        name: name.trim() || phone.trim(),
        phones: [phone.trim()],
        note: note.trim(),
      }),
    ["leads", "contacts"],
  );
  const done = kind === "lead" ? t.live.leadMade : t.live.contactMade;
  const submit = form.onSubmit((values) =>
    save.mutate(values, {
      onSuccess: () => {
        notifyDone(done);
        onClose();
      },
    }),
  );

  return (
    <FormDialog
      title={kind === "lead" ? t.live.makeLead : t.live.makeContact}
      error={save.error}
      pending={save.isPending}
      onSubmit={submit}
      onClose={onClose}
    >
      <TextInput label={t.fields.name} data-autofocus maxLength={200} {...form.getInputProps("name")} />
      <TextInput label={t.fields.phone} inputMode="tel" required maxLength={32} {...form.getInputProps("phone")} />
      <Textarea label={t.fields.note} autosize minRows={3} maxLength={4000} {...form.getInputProps("note")} />
    </FormDialog>
  );
}
