/** One lead or contact in full: how to reach them, and everything that happened, with its recordings. */

import { Anchor, Badge, Button, Divider, Drawer, Group, Skeleton, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { remove } from "../../api/client";
import { useOne } from "../../api/lists";
import type { Person } from "../../api/types";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { Facts } from "../../components/facts";
import { Icon } from "../../components/icons";
import { ProblemAlert } from "../../components/problem-alert";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";
import { Activities } from "./activities";
import { NoteForm } from "./note-form";
import { type PeopleResource, sourceText, stageText } from "./people";
import { PersonDialog } from "./person-dialog";

/** The drawer is open while there is an id. */
export function PersonDrawer({
  resource,
  id,
  onClose,
}: {
  resource: PeopleResource;
  id: string | undefined;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const person = useOne<Person>(resource, id);
  return (
    <Drawer
      opened={Boolean(id)}
      onClose={onClose}
      size="min(640px, 100vw)"
      title={<Text fw={650}>{t.people[resource].one}</Text>}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      {person.error ? (
        <ProblemAlert error={person.error} onRetry={() => void person.refetch()} />
      ) : person.data ? (
        <Details resource={resource} person={person.data} onDeleted={onClose} />
      ) : (
        <Stack>
          <Skeleton height={24} width="50%" />
          <Skeleton height={80} />
          <Skeleton height={160} />
        </Stack>
      )}
    </Drawer>
  );
}

function Details({ resource, person, onDeleted }: { resource: PeopleResource; person: Person; onDeleted: () => void }) {
  const { t, f } = useI18n();
  const { may } = useSession();
  const [deleting, ask] = useDisclosure(false);
  const [editing, edit] = useDisclosure(false);
  const queries = useQueryClient();
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start">
        <Group gap="sm">
          <Text size="lg" fw={650}>
            {person.name || t.people.noName}
          </Text>
          {person.stage && <Badge variant="light">{stageText(person.stage, t)}</Badge>}
        </Group>
        <Group gap="xs">
          <Button variant="default" size="compact-md" leftSection={<Icon name="edit" size={16} />} onClick={edit.open}>
            {t.common.edit}
          </Button>
          {may(resource, "delete") && (
            <Button variant="subtle" color="red" size="compact-md" onClick={ask.open}>
              {t.common.remove}
            </Button>
          )}
        </Group>
      </Group>
      <Facts
        facts={[
          [t.fields.phones, <Links key="phones" values={person.phones} scheme="tel" />],
          [t.fields.emails, <Links key="emails" values={person.emails} scheme="mailto" />],
          [t.fields.source, sourceText(person.source, t) || "—"],
          [t.fields.responsible, person.responsible || "—"],
          [t.fields.created, person.created_at ? f.dateTime(person.created_at) : "—"],
        ]}
      />
      {person.note && (
        <Text size="sm" className="note">
          {person.note}
        </Text>
      )}
      <Stack gap="xs" component="section" aria-label={t.people.activities}>
        <Divider label={t.people.activities} labelPosition="left" />
        <NoteForm resource={resource} id={person.id} />
        <Activities person={person} />
      </Stack>
      <ConfirmDialog
        opened={deleting}
        title={t.common.remove}
        text={t.common.removeQuestion(person.name || person.phones.join(", "))}
        confirm={t.common.remove}
        onClose={ask.close}
        action={() => remove(`/${resource}/${person.id}`)}
        resources={[]}
        onDone={() => {
          void queries.invalidateQueries({ queryKey: [resource, "list"] });
          onDeleted();
        }}
      />
      {editing && <PersonDialog resource={resource} person={person} onClose={edit.close} />}
    </Stack>
  );
}

function Links({ values, scheme }: { values: string[]; scheme: "tel" | "mailto" }) {
  if (values.length === 0) return "—";
  return (
    <Stack gap={0}>
      {values.map((value) => (
        <Anchor key={value} href={`${scheme}:${value}`} size="sm" className="digits">
          {value}
        </Anchor>
      ))}
    </Stack>
  );
}
