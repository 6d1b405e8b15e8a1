/** Sends a live call to somebody else, at once or after talking to them. */

import { Button, Group, Modal, SegmentedControl, Stack, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { post } from "../../api/client";
import { useChange } from "../../api/lists";
import type { LiveCall, TransferKind } from "../../api/types";
import { notifyDone } from "../../components/notify";
import { ProblemAlert } from "../../components/problem-alert";
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
    <Modal opened={opened} onClose={close} title={t.live.transfer} closeButtonProps={{ "aria-label": t.common.close }}>
      <form onSubmit={submit} noValidate>
        <Stack>
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
          {transfer.error && <ProblemAlert error={transfer.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t.common.cancel}
            </Button>
            <Button type="submit" loading={transfer.isPending}>
              {t.live.transfer}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
