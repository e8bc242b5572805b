// The REST API, by its document. The session is a cookie that no script can read: the browser sends it.
import createClient from "openapi-fetch";
import { failureOf, refusalOf } from "./failure";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** The calls. */
export const rest = createClient<paths>({ baseUrl: location.origin });

type Answer<T> = { data?: T; error?: unknown; response: Response };

let sessionEnded = () => {};

/** Has `listener` called when a call fails because the session is over. */
export function onSessionEnd(listener: () => void): void {
  sessionEnded = listener;
}

/** What a call answers; throws a `Failure` else. */
export async function answerOf<T>(call: Promise<Answer<T>>): Promise<T> {
  try {
    const { data, error, response } = await call;
    if (!response.ok) throw refusalOf(response.status, error);
    return data as T;
  } catch (thrown) {
    const failure = failureOf(thrown);
    if (failure.endsSession) sessionEnded();
    throw failure;
  }
}
