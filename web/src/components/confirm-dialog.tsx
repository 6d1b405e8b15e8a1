/** Asks before something that cannot be undone. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useChange } from "../api/lists";
import { useI18n } from "../i18n/i18n";
import { ProblemAlert } from "./problem-alert";

/** Runs the action after a yes; a refusal is shown in the dialog. */
export function ConfirmDialog({
  opened,
  title,
  text,
  confirm,
  onClose,
  action,
  resources,
  onDone,
}: {
  opened: boolean;
  title: string;
  text: string;
  confirm: string;
  onClose: () => void;
  action: () => Promise<unknown>;
  resources: string[];
  onDone?: () => void;
}) {
  const { t } = useI18n();
  const change = useChange(action, resources, () => {
    onClose();
    onDone?.();
  });
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={title}
      size="sm"
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      <Stack>
        <Text size="sm">{text}</Text>
        {change.error && <ProblemAlert error={change.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button color="red" loading={change.isPending} onClick={() => change.mutate(undefined)} data-autofocus>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
