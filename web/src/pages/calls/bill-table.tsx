/** What a call cost, line by line, with the rate each line used. */

import { Table, Text } from "@mantine/core";
import { totals } from "../../api/calls";
import { useOne } from "../../api/lists";
import type { Charge, Rate } from "../../api/types";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";

/** The charges of a call and their sum. */
export function BillTable({ charges }: { charges: Charge[] }) {
  const { t, f } = useI18n();
  if (charges.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.calls.free}
      </Text>
    );
  }
  return (
    <Table aria-label={t.calls.bill} className="cards-on-phone">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t.fields.number}</Table.Th>
          <Table.Th>{t.fields.kind}</Table.Th>
          <Table.Th>{t.fields.rate}</Table.Th>
          <Table.Th ta="right">{t.calls.spoken}</Table.Th>
          <Table.Th ta="right">{t.calls.billed}</Table.Th>
          <Table.Th ta="right">{t.fields.amount}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {charges.map((charge) => (
          <Table.Tr key={charge.id ?? `${charge.number}-${charge.rate_id}-${charge.seconds}`}>
            <Table.Td data-main>{charge.number}</Table.Td>
            <Table.Td data-title={t.fields.kind}>{t.numberKinds[charge.kind] ?? charge.kind}</Table.Td>
            <Table.Td data-title={t.fields.rate}>
              <RateText charge={charge} />
            </Table.Td>
            <Table.Td ta="right" data-title={t.calls.spoken} className="digits">
              {clock(charge.seconds)}
            </Table.Td>
            <Table.Td ta="right" data-title={t.calls.billed} className="digits">
              {charge.billed_seconds === null ? "—" : clock(charge.billed_seconds)}
            </Table.Td>
            <Table.Td ta="right" data-title={t.fields.amount} className="digits">
              {charge.amount !== null && charge.currency ? f.money(charge.amount, charge.currency) : t.calls.unrated}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
      <Table.Tfoot>
        {totals(charges).map(({ amount, currency }) => (
          <Table.Tr key={currency}>
            <Table.Th colSpan={5}>{t.calls.total}</Table.Th>
            <Table.Th ta="right" className="digits">
              {f.money(amount, currency)}
            </Table.Th>
          </Table.Tr>
        ))}
      </Table.Tfoot>
    </Table>
  );
}

/** The price a minute: agents may not read the rates, and see the charge alone. */
function RateText({ charge }: { charge: Charge }) {
  const { t, f } = useI18n();
  const { user } = useSession();
  const mayRead = user.role !== "agent" && !charge.price_per_minute;
  const rate = useOne<Rate>("rates", mayRead ? charge.rate_id : null);
  const price = charge.price_per_minute ?? rate.data?.price_per_minute;
  return (
    <span className="digits">
      {price && charge.currency ? t.calls.perMinute(f.money(price, charge.currency)) : "—"}
    </span>
  );
}
