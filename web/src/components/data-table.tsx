/** A dense table that turns into cards on a phone, with its loading, empty and failed states. */

import { Box, Button, Center, Paper, Skeleton, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useI18n } from "../i18n/i18n";
import { ProblemAlert } from "./problem-alert";

/** A column: its title, and how a row fills it. */
export interface Column<Row> {
  key: string;
  title: string;
  cell: (row: Row) => ReactNode;
  align?: "left" | "right";
  /** The cell that names the row; it stands first on a phone, without its title. */
  main?: boolean;
}

/** The state of the list behind a table, as TanStack Query has it. */
export interface ListState<Row> {
  rows: Row[] | undefined;
  error: unknown;
  refetch: () => void;
  more?: { load: () => void; loading: boolean } | undefined;
}

/** What a row is called, for its main cell; `digits` have one width each. */
export function RowName({ digits = false, children }: { digits?: boolean; children: ReactNode }) {
  return (
    <Text size="sm" fw={600} className={digits ? "digits" : undefined}>
      {children}
    </Text>
  );
}

/** Shows the rows; a row that can be opened is clicked anywhere, or reached by the link in its main cell. */
export function DataTable<Row>({
  label,
  columns,
  list,
  rowKey,
  onOpen,
  empty,
}: {
  label: string;
  columns: Column<Row>[];
  list: ListState<Row>;
  rowKey: (row: Row) => string;
  onOpen?: (row: Row) => void;
  empty: ReactNode;
}) {
  const { t } = useI18n();
  if (list.error && !list.rows) return <ProblemAlert error={list.error} onRetry={list.refetch} />;
  if (list.rows?.length === 0) {
    return <Paper withBorder>{empty}</Paper>;
  }
  return (
    <Box>
      <Paper withBorder className="table-frame">
        <Table aria-label={label} className="cards-on-phone" highlightOnHover={Boolean(onOpen)}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Table.Th key={column.key} ta={column.align}>
                  {column.title}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody aria-busy={list.rows === undefined}>
            {list.rows
              ? list.rows.map((row) => <Row key={rowKey(row)} row={row} columns={columns} onOpen={onOpen} />)
              : skeletonRows.map((row) => (
                  <Table.Tr key={row}>
                    {columns.map((column) => (
                      <Table.Td key={column.key}>
                        <Skeleton height={14} my={3} />
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))}
          </Table.Tbody>
        </Table>
      </Paper>
      {list.more && (
        <Center mt="sm">
          <Button variant="default" size="compact-md" onClick={list.more.load} loading={list.more.loading}>
            {t.common.more}
          </Button>
        </Center>
      )}
    </Box>
  );
}

const skeletonRows = ["1", "2", "3", "4", "5", "6"];

function Row<T>({ row, columns, onOpen }: { row: T; columns: Column<T>[]; onOpen?: (row: T) => void }) {
  return (
    <Table.Tr onClick={onOpen ? () => onOpen(row) : undefined} className={onOpen ? "openable" : undefined}>
      {columns.map((column) => (
        <Table.Td
          key={column.key}
          ta={column.align}
          data-title={column.main ? undefined : column.title}
          data-main={column.main}
        >
          {column.cell(row)}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}
