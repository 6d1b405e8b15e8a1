/** The history of calls: a filtered table, and the details of one call beside it. */

import { Anchor, Group, Text } from "@mantine/core";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { totals } from "../../api/calls";
import { useList } from "../../api/lists";
import type { Cdr } from "../../api/types";
import { DirectionMark, DispositionBadge, Party } from "../../components/call-parts";
import { type Column, DataTable } from "../../components/data-table";
import { Icon } from "../../components/icons";
import { EmptyState, Page } from "../../components/page";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { CallDrawer } from "./call-drawer";
import { CallFilters } from "./call-filters";
import { queryOf, readFilters } from "./filters";

/** The list of past calls; filters stand in the address, so that a view can be kept or sent. */
export function CallsPage() {
  const { t, f, timeZone } = useI18n();
  const { id } = useParams();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const filters = readFilters(search);
  const list = useList<Cdr>("cdrs", queryOf(filters, timeZone));
  const path = (call?: Cdr): string => `/calls${call ? `/${call.id}` : ""}${search.size ? `?${search}` : ""}`;

  const columns: Column<Cdr>[] = [
    {
      key: "started",
      title: t.fields.time,
      main: true,
      cell: (call) => (
        <Group gap="sm" wrap="nowrap">
          <DirectionMark direction={call.direction} />
          <Anchor
            component={Link}
            to={path(call)}
            size="sm"
            className="digits"
            onClick={(event) => event.stopPropagation()}
          >
            {f.dateTime(call.started_at)}
          </Anchor>
        </Group>
      ),
    },
    { key: "from", title: t.fields.from, cell: (call) => <Party number={call.from_number} name={call.from_name} /> },
    { key: "to", title: t.fields.to, cell: (call) => <Party number={call.to_number} /> },
    {
      key: "talk",
      title: t.fields.talkTime,
      align: "right",
      cell: (call) => <span className="digits">{call.answered_at ? clock(call.talk_seconds) : "—"}</span>,
    },
    {
      key: "disposition",
      title: t.fields.result,
      cell: (call) => (
        <Group gap={6} wrap="nowrap">
          <DispositionBadge disposition={call.disposition} />
          {call.transfers.length > 0 && (
            <Text span c="dimmed" title={t.calls.transferred}>
              <Icon name="transfer" size={15} />
              <span className="visually-hidden">{t.calls.transferred}</span>
            </Text>
          )}
          {call.recording_id && (
            <Text span c="dimmed" title={t.calls.recorded}>
              <Icon name="record" size={15} />
              <span className="visually-hidden">{t.calls.recorded}</span>
            </Text>
          )}
        </Group>
      ),
    },
    {
      key: "cost",
      title: t.fields.cost,
      align: "right",
      cell: (call) => (
        <span className="digits">
          {totals(call.charges)
            .map(({ amount, currency }) => f.money(amount, currency))
            .join(" + ") || "—"}
        </span>
      ),
    },
  ];

  return (
    <Page title={t.pages.calls} about={t.calls.about}>
      <CallFilters filters={filters} />
      <DataTable
        label={t.pages.calls}
        columns={columns}
        list={list}
        rowKey={(call) => call.id}
        onOpen={(call) => void navigate(path(call))}
        empty={
          search.size > 0 ? (
            <EmptyState icon="search" title={t.calls.nothingFoundTitle} text={t.calls.nothingFoundText} />
          ) : (
            <EmptyState icon="history" title={t.calls.emptyTitle} text={t.calls.emptyText} />
          )
        }
      />
      <CallDrawer id={id} onClose={() => void navigate(path())} />
    </Page>
  );
}
