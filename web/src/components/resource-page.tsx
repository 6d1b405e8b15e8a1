/** A page of the set-up: the list of a resource, with its form and its deletion. */

import { ActionIcon, Button, Group, Tooltip } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { remove } from "../api/client";
import { useList } from "../api/lists";
import { useI18n } from "../i18n/i18n";
import { ConfirmDialog } from "./confirm-dialog";
import { type Column, DataTable } from "./data-table";
import { Icon, type IconName } from "./icons";
import { EmptyState, Page } from "./page";
import { ResourceDialog } from "./resource-dialog";
import type { FieldSpec, FormValues } from "./resource-form";

/** What a page of the set-up says. */
export interface ResourceTexts {
  about: string;
  create: string;
  edit: string;
  emptyTitle: string;
  emptyText: string;
}

/** Everything that differs from one resource to the next. */
export interface ResourceSpec<Row> {
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
  onCreated?: (row: Row) => void;
  actions?: ReactNode;
  children?: ReactNode;
}

/** Shows the page that the specification describes. */
export function ResourcePage<Row extends { id: string }>({ spec }: { spec: ResourceSpec<Row> }) {
  const { t } = useI18n();
  const [editing, setEditing] = useState<Row | "new" | null>(null);
  const [deleting, setDeleting] = useState<Row | null>(null);
  const list = useList<Row>(spec.resource, {}, { refetchInterval: spec.refresh });
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
      {spec.children}
      <DataTable
        label={spec.title}
        columns={[...spec.columns, actionColumn(spec, t.common, setEditing, setDeleting)]}
        list={list}
        rowKey={(one) => one.id}
        empty={
          <EmptyState
            icon={spec.icon}
            title={spec.texts.emptyTitle}
            text={spec.texts.emptyText}
            action={createButton}
          />
        }
      />
      {editing !== null && (
        <ResourceDialog<Row>
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
          action={() => remove(`/${spec.resource}/${deleting.id}`)}
          resources={[spec.resource]}
        />
      )}
    </Page>
  );
}

function actionColumn<Row>(
  spec: ResourceSpec<Row>,
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
