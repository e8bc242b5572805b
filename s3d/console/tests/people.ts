// Who uses the console in the tests, and what they have before a test begins.
import { request as httpRequest } from "node:http";
import { test as base, expect, type APIRequestContext, type Page } from "@playwright/test";

export { expect };

export const PASSWORD = "correct horse battery";

let number = 0;

/** A name that no test had before. */
export const fresh = (what: string) => `${what}-${process.pid.toString(36)}-${(number += 1)}`;

export const api = () => process.env.HAYRACK_API_URL as string;
export const at = (place: string) => `${api()}/console${place}`;

/** Sends a signed request. Only browsers know by themselves where names below `localhost` are. */
export function exchange(method: string, url: string, body = "", type = "text/plain") {
  const { port, host, pathname, search } = new URL(url);
  const headers = { host, "content-type": type, "content-length": Buffer.byteLength(body) };
  const asked = { method, headers, host: "127.0.0.1", port, path: pathname + search };
  return new Promise<{ status: number; text: string }>((done, fail) => {
    const sent = httpRequest(asked, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => done({ status: answer.statusCode ?? 0, text }));
    });
    sent.on("error", fail);
    sent.end(body);
  });
}

/** Somebody with an account and a token, beside the browser. */
export class Person {
  private constructor(
    readonly email: string,
    readonly password: string,
    private readonly request: APIRequestContext,
    private readonly token: string,
  ) {}

  /** Made by an operator: only so many may sign up from one address. */
  static async make(request: APIRequestContext): Promise<Person> {
    const email = `${fresh("ada")}@example.com`;
    const operator = await Person.operator(request);
    await operator.call("POST", "/users", { email, password: PASSWORD });
    return Person.logIn(request, email, PASSWORD);
  }

  static async operator(request: APIRequestContext): Promise<Person> {
    const { HAYRACK_EMAIL, HAYRACK_PASSWORD } = process.env;
    return Person.logIn(request, HAYRACK_EMAIL as string, HAYRACK_PASSWORD as string);
  }

  private static async logIn(request: APIRequestContext, email: string, password: string) {
    const answer = await request.post(`${api()}/api/v1/auth/login`, { data: { email, password } });
    return new Person(email, password, request, (await answer.json()).accessToken);
  }

  /** Calls the REST API. */
  async call(method: string, path: string, data?: unknown) {
    const headers = { authorization: `Bearer ${this.token}` };
    const answer = await this.request.fetch(`${api()}/api/v1${path}`, { method, headers, data });
    const text = await answer.text();
    expect(answer.ok(), `${method} ${path}: ${text}`).toBe(true);
    return text ? JSON.parse(text) : undefined;
  }

  /** Makes a bucket that is ready. */
  async bucket(): Promise<string> {
    const name = fresh("bucket");
    await this.call("POST", "/buckets", { name });
    await expect.poll(async () => (await this.call("GET", `/buckets/${name}`)).status).toBe("Provisioned");
    return name;
  }

  /** Stores objects, each with this text. */
  async put(bucket: string, keys: string[], text = "hello", type = "text/plain") {
    for (let start = 0; start < keys.length; start += 100) {
      const requests = keys.slice(start, start + 100).map((key) => ({ method: "PUT", key }));
      const { urls } = await this.call("POST", `/buckets/${bucket}/presigned-urls`, { requests });
      const put = (url: string) => exchange("PUT", url, text, type);
      for (const answer of await Promise.all(urls.map(put))) expect(answer.status).toBe(200);
    }
  }

  /** Logs the browser in, as the form does. */
  async enter(page: Page) {
    await page.goto(at("/log-in"));
    await page.getByLabel("E-mail address").fill(this.email);
    await page.getByLabel("Password").fill(this.password);
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("heading", { name: "Buckets" })).toBeVisible();
  }
}

/** Tests with a person of their own; what the page reports as an error fails them. */
export const test = base.extend<{ ada: Person; errors: string[] }>({
  ada: async ({ request }, use) => use(await Person.make(request)),
  errors: [
    async ({ page }, use) => {
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("console", (message) => {
        // Chromium itself reports each answer that is a refusal.
        const refusal = message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && !refusal) errors.push(message.text());
      });
      await use(errors);
      expect(errors).toEqual([]);
    },
    { auto: true },
  ],
});
