// Many objects as one zip file, which the server writes while the browser stores it.
import { Failure, failureOf, refusalOf } from "@/server/failure";
import type { Entry } from "./entries";

const FRAME = "archive";

/** Asks for an archive with a form, as only that has the browser store it. `refused` hears why there is none. */
export function downloadArchive(
  bucket: string,
  entries: readonly Entry[],
  root: string,
  refused: (failure: Failure) => void,
): void {
  const frame = document.createElement("iframe");
  frame.name = FRAME;
  frame.hidden = true;
  const form = document.createElement("form");
  form.method = "post";
  form.action = `/api/v1/buckets/${encodeURIComponent(bucket)}/archive`;
  form.target = FRAME;
  form.hidden = true;
  const field = (name: string, value: string) => {
    const input = document.createElement("input");
    [input.type, input.name, input.value] = ["hidden", name, value];
    form.append(input);
  };
  field("root", root);
  for (const { name, folder } of entries) field(folder ? "prefix" : "key", name);
  document.querySelector(`iframe[name=${FRAME}]`)?.remove();
  document.body.append(frame, form);
  // What is stored loads nothing in the frame; only a refusal does.
  frame.addEventListener("load", () => {
    const failure = failureIn(frame);
    if (failure) refused(failure);
  });
  form.submit();
  form.remove();
}

function failureIn(frame: HTMLIFrameElement): Failure | undefined {
  const shown = frame.contentDocument;
  // The browser's own page that says that nothing answered is of no origin.
  if (!shown) return failureOf(new TypeError());
  if (shown.URL === "about:blank") return undefined;
  try {
    return refusalOf(0, JSON.parse(shown.body.textContent ?? ""));
  } catch {
    return refusalOf(0, undefined);
  }
}
