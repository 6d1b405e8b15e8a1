/** A page of the set-up: the list of a resource, with its form and its deletion. */

import { ActionIcon, Button, Group, TextInput, Tooltip } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type ReactNode, useState } from "react";
import { remove } from "../api/client";
import { useList } from "../api/lists";
import { useI18n } from "../i18n/i18n";
import { ConfirmDialog } from "./confirm-dialog";
import { type Column, DataTable } from "./data-table";
import { Icon, type IconName } from "./icons";
import { notifyDone } from "./notify";
import { EmptyState, Page } from "./page";
import { ResourceDialog } from "./resource-dialog";
import type { FieldSpec, FormValues } from "./resource-form";

/** Milliseconds without typing before a search runs. */
const SEARCH_PAUSE_MS = 300;

/** What a page of the set-up says. */
export interface ResourceTexts {
  about: string;
  create: string;
  edit: string;
  emptyTitle: string;
  emptyText: string;
}

/** Everything that differs from one resource to the next. */
export interface ResourceSpec<Row, New = Row> {
  resource: string;
  title: string;
  icon: IconName;
  texts: ResourceTexts;
  columns: Column<Row>[];
  fields: FieldSpec[];
  /** How a row is named in questions. */
  nameOf: (row: Row) => string;
  toValues: (row?: Row) => FormValues;
  toBody: (values: FormValues, isNew: boolean) => unknown;
  /** False where things of this kind are created and deleted only. */
  editable?: boolean;
  /** Milliseconds between readings, where the state of a row changes by itself. */
  refresh?: number;
  /** Told of what was made; it may hold more than the list shows, a generated password for one. */
  onCreated?: (row: New) => void;
  /** What to say of a deletion that did not take the thing away. */
  kept?: (answer: unknown) => string | undefined;
  /** The list's query parameter that takes what is typed into a search field. */
  search?: { parameter: string; label: string; maxLength: number };
  actions?: ReactNode;
}

/** Shows the page that the specification describes. */
export function ResourcePage<Row extends { id: string }, New = Row>({ spec }: { spec: ResourceSpec<Row, New> }) {
  const { t } = useI18n();
  const [editing, setEditing] = useState<Row | "new" | null>(null);
  const [deleting, setDeleting] = useState<Row | null>(null);
  const [search, setSearch] = useState("");
  const [wanted] = useDebouncedValue(search.trim(), SEARCH_PAUSE_MS);
  const query = spec.search ? { [spec.search.parameter]: wanted } : {};
  const list = useList<Row>(spec.resource, query, { refetchInterval: spec.refresh });
  const createButton = (
    <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setEditing("new")}>
      {spec.texts.create}
    </Button>
  );
  const row = editing === "new" || editing === null ? undefined : editing;

  return (
    <Page
      title={spec.title}
      about={spec.texts.about}
      actions={
        <>
          {spec.actions}
          {createButton}
        </>
      }
    >
      {spec.search && (
        <TextInput
          type="search"
          aria-label={spec.search.label}
          placeholder={spec.search.label}
          leftSection={<Icon name="search" size={16} />}
          maxLength={spec.search.maxLength}
          maw={300}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
      )}
      <DataTable
        label={spec.title}
        columns={[...spec.columns, actionColumn(spec, t.common, setEditing, setDeleting)]}
        list={list}
        rowKey={(one) => one.id}
        empty={
          wanted ? (
            <EmptyState icon="search" title={t.calls.nothingFoundTitle} text={t.people.nothingFound(wanted)} />
          ) : (
            <EmptyState
              icon={spec.icon}
              title={spec.texts.emptyTitle}
              text={spec.texts.emptyText}
              action={createButton}
            />
          )
        }
      />
      {editing !== null && (
        <ResourceDialog<New>
          key={row?.id ?? "new"}
          resource={spec.resource}
          title={row ? spec.texts.edit : spec.texts.create}
          id={row?.id}
          fields={spec.fields}
          values={spec.toValues(row)}
          toBody={spec.toBody}
          onClose={() => setEditing(null)}
          onCreated={spec.onCreated}
        />
      )}
      {deleting && (
        <ConfirmDialog
          opened
          title={t.common.remove}
          text={t.common.removeQuestion(spec.nameOf(deleting))}
          confirm={t.common.remove}
          onClose={() => setDeleting(null)}
          action={() => removeAndTell(spec, deleting)}
          resources={[spec.resource]}
        />
      )}
    </Page>
  );
}

async function removeAndTell<Row extends { id: string }, New>(spec: ResourceSpec<Row, New>, row: Row): Promise<void> {
  const answer = await remove<unknown>(`/${spec.resource}/${row.id}`);
  const kept = spec.kept?.(answer);
  if (kept) notifyDone(kept);
}

function actionColumn<Row, New>(
  spec: ResourceSpec<Row, New>,
  texts: { actions: string; edit: string; remove: string },
  onEdit: (row: Row) => void,
  onDelete: (row: Row) => void,
): Column<Row> {
  return {
    key: "actions",
    title: texts.actions,
    align: "right",
    cell: (row) => (
      <Group gap={4} justify="flex-end" wrap="nowrap">
        {spec.editable !== false && (
          <Tooltip label={texts.edit}>
            <ActionIcon variant="subtle" aria-label={`${texts.edit}: ${spec.nameOf(row)}`} onClick={() => onEdit(row)}>
              <Icon name="edit" size={16} />
            </ActionIcon>
          </Tooltip>
        )}
        <Tooltip label={texts.remove}>
          <ActionIcon
            variant="subtle"
            color="red"
            aria-label={`${texts.remove}: ${spec.nameOf(row)}`}
            onClick={() => onDelete(row)}
          >
            <Icon name="trash" size={16} />
          </ActionIcon>
        </Tooltip>
      </Group>
    ),
  };
}
