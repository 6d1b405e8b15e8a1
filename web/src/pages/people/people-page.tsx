/** Leads or contacts: a searchable list, and one of them in full beside it. */

import { Anchor, Badge, Button, TextInput } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useList } from "../../api/lists";
import type { Person } from "../../api/types";
import { type Column, DataTable } from "../../components/data-table";
import { Icon } from "../../components/icons";
import { EmptyState, Page } from "../../components/page";
import { useI18n } from "../../i18n/i18n";
import { type PeopleResource, sourceText, stageText } from "./people";
import { PersonDialog } from "./person-dialog";
import { PersonDrawer } from "./person-drawer";

/** Milliseconds without typing before the search runs. */
const PAUSE_MS = 300;

/** The page of one of the two resources; they differ by the stage that only leads have. */
export function PeoplePage({ resource }: { resource: PeopleResource }) {
  const { t, f } = useI18n();
  const { id } = useParams();
  const navigate = useNavigate();
  const [search, setSearch] = useState("");
  const [wanted] = useDebouncedValue(search.trim(), PAUSE_MS);
  const [creating, create] = useDisclosure(false);
  const list = useList<Person>(resource, { search: wanted });
  const texts = t.people[resource];
  const newButton = (
    <Button leftSection={<Icon name="plus" size={16} />} onClick={create.open}>
      {texts.create}
    </Button>
  );

  const columns: Column<Person>[] = [
    {
      key: "name",
      title: t.fields.name,
      main: true,
      cell: (person) => (
        <Anchor
          component={Link}
          to={`/${resource}/${person.id}`}
          size="sm"
          fw={550}
          onClick={(event) => event.stopPropagation()}
        >
          {person.name || t.people.noName}
        </Anchor>
      ),
    },
    {
      key: "phones",
      title: t.fields.phones,
      cell: (person) => <span className="digits">{person.phones.join(", ") || "—"}</span>,
    },
    { key: "source", title: t.fields.source, cell: (person) => sourceText(person.source, t) || "—" },
    ...(resource === "leads"
      ? [
          {
            key: "stage",
            title: t.fields.stage,
            cell: (person: Person) =>
              person.stage ? <Badge variant="light">{stageText(person.stage, t)}</Badge> : "—",
          },
        ]
      : []),
    { key: "responsible", title: t.fields.responsible, cell: (person) => person.responsible || "—" },
    {
      key: "created",
      title: t.fields.created,
      align: "right",
      cell: (person) => <span className="digits">{person.created_at ? f.dateTime(person.created_at) : "—"}</span>,
    },
  ];

  return (
    <Page title={t.pages[resource]} about={texts.about} actions={newButton}>
      <TextInput
        type="search"
        aria-label={t.common.search}
        placeholder={t.people.searchPlaceholder}
        leftSection={<Icon name="search" size={16} />}
        maxLength={100}
        maw={360}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
      />
      <DataTable
        label={t.pages[resource]}
        columns={columns}
        list={list}
        rowKey={(person) => person.id}
        onOpen={(person) => void navigate(`/${resource}/${person.id}`)}
        empty={
          wanted ? (
            <EmptyState icon="search" title={t.calls.nothingFoundTitle} text={t.people.nothingFound(wanted)} />
          ) : (
            <EmptyState
              icon={resource === "leads" ? "lead" : "contact"}
              title={texts.emptyTitle}
              text={texts.emptyText}
              action={newButton}
            />
          )
        }
      />
      {creating && <PersonDialog resource={resource} onClose={create.close} />}
      <PersonDrawer resource={resource} id={id} onClose={() => void navigate(`/${resource}`)} />
    </Page>
  );
}
