/** The buttons of a live call: hold, transfer, record, note the caller, hang up. */

import { ActionIcon, Button, Group, Menu, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { isHeld, isRecording } from "../../api/calls";
import { post } from "../../api/client";
import { useChange } from "../../api/lists";
import type { LiveCall } from "../../api/types";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { Icon, type IconName } from "../../components/icons";
import { notifyProblem } from "../../components/notify";
import { useI18n } from "../../i18n/i18n";
import { NoteCallerDialog } from "./note-caller-dialog";
import { TransferDialog } from "./transfer-dialog";

/** All actions on one call. */
export function CallActions({ call }: { call: LiveCall }) {
  const i18n = useI18n();
  const { t } = i18n;
  const [transferring, transfer] = useDisclosure(false);
  const [ending, ask] = useDisclosure(false);
  const [noting, setNoting] = useState<"lead" | "contact" | null>(null);
  const act = useChange(
    ({ verb, body }: { verb: string; body?: unknown }) => post(`/calls/${call.id}/${verb}`, body),
    ["calls"],
  );
  const run = (verb: string, body?: unknown) =>
    act.mutate({ verb, body }, { onError: (error) => notifyProblem(error, i18n) });
  const held = isHeld(call);
  const recording = isRecording(call);
  const connected = Boolean(call.answered_at);

  return (
    <Group gap={4} wrap="nowrap" justify="flex-end">
      {call.state === "transferring" && (
        <>
          <Button size="compact-sm" loading={act.isPending} onClick={() => run("transfer/complete")}>
            {t.live.completeTransfer}
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => run("transfer/cancel")}>
            {t.live.cancelTransfer}
          </Button>
        </>
      )}
      <Action
        icon={held ? "play" : "hold"}
        label={held ? t.live.resume : t.live.hold}
        disabled={!connected || act.isPending}
        onClick={() => run(held ? "resume" : "hold")}
      />
      <Action icon="transfer" label={t.live.transfer} disabled={!connected} onClick={transfer.open} />
      <Action
        icon="record"
        label={recording ? t.live.recordOff : t.live.recordOn}
        colour={recording ? "red" : undefined}
        disabled={!connected || act.isPending}
        onClick={() => run("record", { on: !recording })}
      />
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Tooltip label={t.live.noteCaller}>
            <ActionIcon variant="default" size="lg" aria-label={t.live.noteCaller}>
              <Icon name="plus" />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="lead" size={16} />} onClick={() => setNoting("lead")}>
            {t.live.makeLead}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="contact" size={16} />} onClick={() => setNoting("contact")}>
            {t.live.makeContact}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Action icon="hangup" label={t.live.hangUp} colour="red" onClick={ask.open} />

      <TransferDialog call={call} opened={transferring} onClose={transfer.close} />
      {noting && <NoteCallerDialog call={call} kind={noting} onClose={() => setNoting(null)} />}
      <ConfirmDialog
        opened={ending}
        title={t.live.hangUp}
        text={t.live.hangUpQuestion(call.from_number, call.to_number)}
        confirm={t.live.hangUp}
        onClose={ask.close}
        action={() => post(`/calls/${call.id}/hangup`)}
        resources={["calls", "cdrs"]}
      />
    </Group>
  );
}

function Action({
  icon,
  label,
  colour,
  disabled,
  onClick,
}: {
  icon: IconName;
  label: string;
  colour?: string;
  disabled?: boolean;
  onClick: () => void;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant={colour ? "light" : "default"}
        color={colour}
        size="lg"
        aria-label={label}
        disabled={disabled}
        onClick={onClick}
      >
        <Icon name={icon} />
      </ActionIcon>
    </Tooltip>
  );
}
