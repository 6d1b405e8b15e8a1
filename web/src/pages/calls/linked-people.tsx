/** The leads and contacts that a call concerns. */

import { Anchor, Badge, Group, Skeleton, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { customerNumber } from "../../api/calls";
import { useList } from "../../api/lists";
import type { Cdr, CustomerCompany, Person } from "../../api/types";
import { useI18n } from "../../i18n/i18n";

/** People with the customer's number, each linked to its page, and the company that has it. */
export function LinkedPeople({ call }: { call: Cdr }) {
  const { t } = useI18n();
  const phone = customerNumber(call);
  const leads = useList<Person>("leads", { search: phone });
  const contacts = useList<Person>("contacts", { search: phone });
  const companies = useList<CustomerCompany>("companies", { search: phone });
  if (!leads.rows && !contacts.rows && !leads.error) return <Skeleton height={20} />;
  const people = [
    ...(contacts.rows ?? []).map((person) => ({ person, resource: "contacts" as const })),
    ...(leads.rows ?? []).map((person) => ({ person, resource: "leads" as const })),
  ];
  const firms = companies.rows ?? [];
  if (people.length + firms.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.calls.nobodyLinked}
      </Text>
    );
  }
  return (
    <Stack gap={6}>
      {people.map(({ person, resource }) => (
        <Group key={person.id} gap="xs">
          <Badge variant="light" color={resource === "leads" ? "orange" : "sea"}>
            {t.people[resource].one}
          </Badge>
          <Anchor component={Link} to={`/${resource}/${person.id}`} size="sm">
            {person.name || phone}
          </Anchor>
        </Group>
      ))}
      {firms.map((firm) => (
        <Group key={firm.id} gap="xs">
          <Badge variant="light" color="gray">
            {t.pages.company}
          </Badge>
          <Text size="sm">{firm.name}</Text>
        </Group>
      ))}
    </Stack>
  );
}
