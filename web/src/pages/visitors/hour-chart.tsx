/** Visits by hour as bars, and the same as a table for those who don't see them. */

import { Stack, Text } from "@mantine/core";
import type { VisitSummary } from "../../api/types";
import { useI18n } from "../../i18n/i18n";
import { hoursOf } from "./hours";

const HEIGHT = 180;
const STEP = 56;
const BAR = 32;

/** One bar an hour. */
export function HourChart({ summary }: { summary: VisitSummary }) {
  const { t, f } = useI18n();
  const hours = hoursOf(summary.by_hour);
  const most = Math.max(1, ...hours.map((hour) => hour.visits));
  const width = hours.length * STEP;
  const tall = (value: number): number => (value / most) * (HEIGHT - 24);

  return (
    <Stack gap="xs">
      <Text fw={600}>{t.visitors.byHour}</Text>
      <div className="chart-frame">
        <svg viewBox={`0 0 ${width} ${HEIGHT + 20}`} className="chart" role="img" aria-label={t.visitors.byHour}>
          <line x1="0" x2={width} y1={HEIGHT} y2={HEIGHT} className="chart-axis" />
          {hours.map(({ hour, visits }, index) => {
            const x = index * STEP + (STEP - BAR) / 2;
            return (
              <g key={hour}>
                <title>{`${f.hour(hour)}: ${t.visitors.visitCount(visits)}`}</title>
                <rect
                  x={x}
                  y={HEIGHT - tall(visits)}
                  width={BAR}
                  height={tall(visits)}
                  rx="3"
                  fill="var(--chart-bar)"
                />
                {visits > 0 && (
                  <text x={x + BAR / 2} y={HEIGHT - tall(visits) - 6} className="chart-value">
                    {visits}
                  </text>
                )}
                <text x={x + BAR / 2} y={HEIGHT + 15} className="chart-hour">
                  {hour}
                </text>
              </g>
            );
          })}
        </svg>
      </div>
      <table className="visually-hidden">
        <caption>{t.visitors.byHour}</caption>
        <tbody>
          {hours.map(({ hour, visits }) => (
            <tr key={hour}>
              <th scope="row">{f.hour(hour)}</th>
              <td>{t.visitors.visitCount(visits)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Stack>
  );
}
