/** The frame around every page: header, navigation by role, and the state of the live connection. */

import { AppShell, Badge, Burger, Button, Group, Menu, NavLink, ScrollArea, Skeleton, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Suspense } from "react";
import { Link, Outlet, useLocation } from "react-router";
import { Icon } from "../components/icons";
import { Logo } from "../components/logo";
import { useI18n } from "../i18n/i18n";
import { lacksExtension } from "../session/permissions";
import { PasswordDialog } from "../session/password-dialog";
import { useSession } from "../session/session";
import { useLiveConnection } from "./live-connection";
import { homePath, type NavigationEntry, setupPages, workPages } from "./navigation";
import { LanguageMenu, SchemeButton } from "./preferences";

/** The application's frame; the page itself stands in its outlet. */
export function Shell() {
  const { t } = useI18n();
  const { user } = useSession();
  const [opened, { toggle, close }] = useDisclosure(false);
  const connected = useLiveConnection(!lacksExtension(user));

  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip-link" href="#content">
        {t.shell.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t.shell.menu} />
            <Link to={homePath(user)} className="brand" onClick={close}>
              <Logo />
              <Text fw={650} size="lg">
                Ramal
              </Text>
            </Link>
            {!connected && (
              <Badge color="orange" variant="light" role="status">
                {t.shell.reconnecting}
              </Badge>
            )}
          </Group>
          <Group gap={4} wrap="nowrap">
            <LanguageMenu />
            <SchemeButton />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav" aria-label={t.shell.menu}>
        <ScrollArea type="auto">
          <Section entries={workPages} onChoose={close} />
          <Section entries={setupPages} title={t.shell.setup} onChoose={close} />
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Suspense fallback={<Skeleton height={320} radius="md" />}>
          <Outlet />
        </Suspense>
      </AppShell.Main>
    </AppShell>
  );
}

function Section({
  entries,
  title,
  onChoose,
}: {
  entries: readonly NavigationEntry[];
  title?: string;
  onChoose: () => void;
}) {
  const { t } = useI18n();
  const { may } = useSession();
  const { pathname } = useLocation();
  const visible = entries.filter((entry) => may(...entry.needs));
  if (visible.length === 0) return null;
  return (
    <>
      {title && (
        <Text size="xs" c="dimmed" fw={600} tt="uppercase" px="sm" mt="md" mb={4}>
          {title}
        </Text>
      )}
      {visible.map((entry) => (
        <NavLink
          key={entry.page}
          component={Link}
          to={entry.path}
          label={t.pages[entry.page]}
          leftSection={<Icon name={entry.icon} />}
          active={pathname.startsWith(entry.path)}
          aria-current={pathname.startsWith(entry.path) ? "page" : undefined}
          onClick={onChoose}
        />
      ))}
    </>
  );
}

function UserMenu() {
  const { t } = useI18n();
  const { user, signOut } = useSession();
  const [changing, change] = useDisclosure(false);
  return (
    <>
      <Menu position="bottom-end" withinPortal width={220}>
        <Menu.Target>
          <Button variant="subtle" color="gray" size="compact-sm" leftSection={<Icon name="contact" size={16} />}>
            <span className="user-name">{user.name || user.username}</span>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {t.roles[user.role]}
            {user.extension ? ` · ${t.fields.extension} ${user.extension}` : ""}
          </Menu.Label>
          <Menu.Item leftSection={<Icon name="edit" size={16} />} onClick={change.open}>
            {t.password.change}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="signOut" size={16} />} onClick={() => void signOut()}>
            {t.shell.signOut}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {changing && <PasswordDialog onClose={change.close} />}
    </>
  );
}
