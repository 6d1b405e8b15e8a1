/** The frame of a dialog with a form: its fields, what the server refused, and the two buttons at its foot. */

import { Button, Group, Modal, Stack } from "@mantine/core";
import type { FormEventHandler, ReactNode } from "react";
import { useI18n } from "../i18n/i18n";
import { ProblemAlert } from "./problem-alert";

/** `submit` is what the button says that sends the form; without it, that it saves. */
export function FormDialog({
  opened = true,
  title,
  submit,
  error,
  pending,
  onSubmit,
  onClose,
  children,
}: {
  opened?: boolean;
  title: string;
  submit?: string;
  error: Error | null;
  pending: boolean;
  onSubmit: FormEventHandler<HTMLFormElement>;
  onClose: () => void;
  children: ReactNode;
}) {
  const { t } = useI18n();
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ "aria-label": t.common.close }}>
      <form onSubmit={onSubmit} noValidate>
        <Stack>
          {children}
          {error && <ProblemAlert error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t.common.cancel}
            </Button>
            <Button type="submit" loading={pending}>
              {submit ?? t.common.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
