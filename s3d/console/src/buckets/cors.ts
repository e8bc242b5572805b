// Which pages of other origins may use a bucket: S3's CORS document, as far as the console edits it.

export const METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"] as const;

/** One rule: the same methods for every origin. */
export interface CorsRule {
  origins: string[];
  methods: string[];
}

/** The origins in a text, one a line. */
export function originsOf(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

/** The document that holds one rule. */
export function corsDocument(rule: CorsRule): string {
  const element = (name: string, text: string) => `<${name}>${escaped(text)}</${name}>`;
  const parts = [
    ...rule.origins.map((it) => element("AllowedOrigin", it)),
    ...rule.methods.map((it) => element("AllowedMethod", it)),
    element("AllowedHeader", "*"),
    element("ExposeHeader", "ETag"),
  ];
  return `<CORSConfiguration><CORSRule>${parts.join("")}</CORSRule></CORSConfiguration>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The rules of a document. */
export function rulesOf(document: Document): CorsRule[] {
  const texts = (rule: Element, name: string) =>
    [...rule.getElementsByTagName(name)].map((it) => it.textContent ?? "");
  return [...document.getElementsByTagName("CORSRule")].map((rule) => ({
    origins: texts(rule, "AllowedOrigin"),
    methods: texts(rule, "AllowedMethod"),
  }));
}
