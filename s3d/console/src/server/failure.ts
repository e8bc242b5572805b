// Every way in which a call can fail, as something that can be said to a person.

/** Why a call did not do what it was asked. */
export class Failure extends Error {
  constructor(
    /** For programs: a code of the REST API or of S3, or `Unreachable`, `Unreadable`. */
    readonly code: string,
    /** The server's own sentence, in English. */
    readonly sentence: string,
    /** A sentence for each field that is wrong. */
    readonly fields: Readonly<Record<string, string>> = {},
    /** The HTTP status; 0 without an answer. */
    readonly status = 0,
    /** Where nothing answered, if that is not where the page comes from. */
    readonly origin = "",
  ) {
    super(sentence);
  }

  /** Whether the session is over: the person has to log in again. */
  get endsSession(): boolean {
    return this.status === 401 && this.code.startsWith("Token");
  }
}

/** What was thrown, as a failure. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (thrown instanceof TypeError) return new Failure("Unreachable", "The server does not answer.");
  return new Failure("Unreadable", String(thrown));
}

/** A refusal of the REST API. */
export function refusalOf(status: number, body: unknown): Failure {
  if (typeof body === "object" && body !== null && "code" in body && "message" in body) {
    const fields = "fields" in body ? (body.fields as Record<string, string>) : {};
    return new Failure(String(body.code), String(body.message), fields, status);
  }
  return new Failure("Unreadable", `The server answered ${status}.`, {}, status);
}

/** A refusal of S3, from its XML document. */
export function s3RefusalOf(status: number, text: string): Failure {
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  const code = element("Code") ?? "Unreadable";
  return new Failure(code, element("Message") ?? `S3 answered ${status}.`, {}, status);
}
