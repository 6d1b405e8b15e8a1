import { expect, test } from "vitest";
import { forwardingBody } from "./forwarding-button";

test("an empty target ends the forwarding", () => {
  expect(
    forwardingBody({ forward_to: " 1003 ", forward_busy_to: "", forward_no_answer_seconds: "", do_not_disturb: true }),
  ).toEqual({
    forward_to: "1003",
    forward_busy_to: null,
    forward_no_answer_to: null,
    forward_unavailable_to: null,
    forward_no_answer_seconds: 0,
    do_not_disturb: true,
    call_waiting: false,
  });
});
