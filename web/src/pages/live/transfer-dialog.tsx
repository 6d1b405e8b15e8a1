/** Sends a live call to somebody else, at once or after talking to them. */

import { SegmentedControl, Stack, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { post } from "../../api/client";
import { useChange } from "../../api/lists";
import type { LiveCall, TransferKind } from "../../api/types";
import { FormDialog } from "../../components/form-dialog";
import { notifyDone } from "../../components/notify";
import { useI18n } from "../../i18n/i18n";
import { TargetInput } from "./target-input";

/** Asks for the target and the kind of the transfer. */
export function TransferDialog({ call, opened, onClose }: { call: LiveCall; opened: boolean; onClose: () => void }) {
  const { t } = useI18n();
  const form = useForm<{ to: string; kind: TransferKind }>({
    initialValues: { to: "", kind: "blind" },
    validate: { to: (value) => (value.trim() ? null : t.common.required) },
  });
  const transfer = useChange(
    (body: { to: string; kind: TransferKind }) => post(`/calls/${call.id}/transfer`, body),
    ["calls"],
  );
  const close = (): void => {
    form.reset();
    transfer.reset();
    onClose();
  };
  const submit = form.onSubmit(({ to, kind }) =>
    transfer.mutate(
      { to: to.trim(), kind },
      {
        onSuccess: () => {
          notifyDone(t.live.transferStarted(to.trim()));
          close();
        },
      },
    ),
  );

  return (
    <FormDialog
      opened={opened}
      title={t.live.transfer}
      submit={t.live.transfer}
      error={transfer.error}
      pending={transfer.isPending}
      onSubmit={submit}
      onClose={close}
    >
      <TargetInput label={t.live.transferTo} except={call} data-autofocus {...form.getInputProps("to")} />
      <Stack gap={4}>
        <SegmentedControl
          aria-label={t.live.transferKind}
          fullWidth
          data={[
            { value: "blind", label: t.transferKinds.blind },
            { value: "attended", label: t.transferKinds.attended },
          ]}
          {...form.getInputProps("kind")}
        />
        <Text size="sm" c="dimmed">
          {form.values.kind === "blind" ? t.live.blindHelp : t.live.attendedHelp}
        </Text>
      </Stack>
    </FormDialog>
  );
}
