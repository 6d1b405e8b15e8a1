/** What becomes of the calls to one's own extension: do not disturb, call waiting, and where calls are forwarded. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { useList } from "../../api/lists";
import type { Extension } from "../../api/types";
import { Icon } from "../../components/icons";
import { ResourceDialog } from "../../components/resource-dialog";
import type { FieldSpec, FormValues } from "../../components/resource-form";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";

const targets = ["forward_to", "forward_busy_to", "forward_no_answer_to", "forward_unavailable_to"] as const;

/** The body of a change: what is empty ends the forwarding. */
export function forwardingBody(values: FormValues): Record<string, unknown> {
  return {
    ...Object.fromEntries(targets.map((name) => [name, String(values[name] ?? "").trim() || null])),
    forward_no_answer_seconds: Number(values.forward_no_answer_seconds) || 0,
    do_not_disturb: values.do_not_disturb === true,
    call_waiting: values.call_waiting === true,
  };
}

/** Says how calls to the own extension are treated, and opens the dialog that changes it; nothing without an extension. */
export function ForwardingButton() {
  const { user, may } = useSession();
  return user.extension && may("forwarding", "change") ? <Forwarding number={user.extension} /> : null;
}

function Forwarding({ number }: { number: string }) {
  const { t } = useI18n();
  const [opened, setOpened] = useState(false);
  const own = useList<Extension>("extensions", { number }).rows?.[0];
  if (!own) return null;

  const label = own.do_not_disturb
    ? t.forwarding.doNotDisturb
    : own.forward_to
      ? t.forwarding.to(own.forward_to)
      : t.forwarding.title;
  const fields: FieldSpec[] = [
    { name: "do_not_disturb", label: t.forwarding.doNotDisturb, kind: "switch", help: t.forwarding.doNotDisturbHelp },
    { name: "call_waiting", label: t.forwarding.callWaiting, kind: "switch", help: t.forwarding.callWaitingHelp },
    { name: "forward_to", label: t.extensions.forwardTo, kind: "text", help: t.extensions.forwardHelp },
    { name: "forward_busy_to", label: t.forwarding.busyTo, kind: "text" },
    { name: "forward_no_answer_to", label: t.forwarding.noAnswerTo, kind: "text" },
    {
      name: "forward_no_answer_seconds",
      label: t.forwarding.seconds,
      kind: "number",
      min: 0,
      max: 300,
      shown: (values) => Boolean(values.forward_no_answer_to),
    },
    { name: "forward_unavailable_to", label: t.forwarding.unavailableTo, kind: "text" },
  ];

  return (
    <>
      <Button
        variant="default"
        leftSection={<Icon name={own.do_not_disturb ? "mute" : "forward"} size={16} />}
        onClick={() => setOpened(true)}
      >
        {label}
      </Button>
      {opened && (
        <ResourceDialog
          resource="extensions"
          id={`${own.id}/forwarding`}
          title={`${t.forwarding.title} · ${own.number}`}
          fields={fields}
          values={{
            ...Object.fromEntries(targets.map((name) => [name, own[name] ?? ""])),
            forward_no_answer_seconds: own.forward_no_answer_seconds,
            do_not_disturb: own.do_not_disturb,
            call_waiting: own.call_waiting,
          }}
          toBody={forwardingBody}
          onClose={() => setOpened(false)}
        />
      )}
    </>
  );
}
