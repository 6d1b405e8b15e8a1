/** The frame of a page: its title, which is also the window's, its actions, and what an empty list says. */

import { Box, Group, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { Icon, type IconName } from "./icons";

/** A page with its title, a sentence about it, and buttons. */
export function Page({
  title,
  about,
  actions,
  children,
}: {
  title: string;
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Ramal`;
  }, [title]);
  return (
    <Stack gap="md" maw={1240} mx="auto">
      <Group justify="space-between" align="flex-end" gap="sm">
        <Box>
          <Title order={1} size="h3">
            {title}
          </Title>
          {about && (
            <Text size="sm" c="dimmed" maw={720} component="div">
              {about}
            </Text>
          )}
        </Box>
        {actions && (
          <Group gap="xs" className="page-actions">
            {actions}
          </Group>
        )}
      </Group>
      {children}
    </Stack>
  );
}

/** What stands in place of an empty list: why it is empty, and what to do. Without a title where the page's says it. */
export function EmptyState({
  icon,
  title,
  text,
  action,
}: {
  icon: IconName;
  title?: string;
  text: string;
  action?: ReactNode;
}) {
  return (
    <Stack align="center" gap="xs" py={48} px="md" className="empty-state">
      <ThemeIcon variant="light" size={48} radius="xl">
        <Icon name={icon} size={24} />
      </ThemeIcon>
      {title && <Text fw={600}>{title}</Text>}
      <Text size="sm" c="dimmed" ta="center" maw={440}>
        {text}
      </Text>
      {action}
    </Stack>
  );
}
