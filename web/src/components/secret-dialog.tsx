/** Shows a generated password once, to be copied now: the server does not tell it again. */

import { Alert, Button, Code, CopyButton, Group, Modal, Stack, Text } from "@mantine/core";
import { useI18n } from "../i18n/i18n";
import { Icon } from "./icons";

/** The dialog closes only by its button, so that the password is not lost by a stray click. */
export function SecretDialog({ name, secret, onClose }: { name: string; secret: string; onClose: () => void }) {
  const { t } = useI18n();
  return (
    <Modal
      opened
      onClose={onClose}
      title={t.secret.title(name)}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack>
        <Alert color="yellow" icon={<Icon name="warning" />}>
          {t.secret.once}
        </Alert>
        <Group gap="xs">
          <Text size="sm">{t.secret.password}</Text>
          <Code fz="md" className="mono" data-testid="secret">
            {secret}
          </Code>
          <CopyButton value={secret}>
            {({ copied, copy }) => (
              <Button
                variant="default"
                size="compact-sm"
                leftSection={<Icon name={copied ? "check" : "copy"} size={14} />}
                onClick={copy}
              >
                {copied ? t.secret.copied : t.secret.copy}
              </Button>
            )}
          </CopyButton>
        </Group>
        <Group justify="flex-end">
          <Button onClick={onClose}>{t.secret.done}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
