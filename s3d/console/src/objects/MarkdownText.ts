// Markdown as elements of this page. No HTML of its author's comes into the page: raw HTML is shown as the text that it
// is, pictures are links, and links go to the web or nowhere.
import { lexer, type Token, type Tokens } from "marked";
import { defineComponent, h, type VNode } from "vue";

type Shown = VNode | string | Shown[];

export const MarkdownText = defineComponent({
  props: { text: { type: String, required: true } },
  setup: (props) => () => h("div", { class: "markdown" }, all(lexer(props.text))),
});

const all = (tokens: Token[] | undefined): Shown[] => (tokens ?? []).map(shown);
const inner = (token: Token) => all("tokens" in token ? token.tokens : undefined);

function shown(token: Token): Shown {
  switch (token.type) {
    case "heading":
      // The page has headings above these.
      return h(`h${Math.min(6, (token as Tokens.Heading).depth + 2)}`, inner(token));
    case "paragraph":
      return h("p", inner(token));
    case "blockquote":
    case "strong":
    case "em":
    case "del":
      return h(token.type, inner(token));
    case "list":
      return h((token as Tokens.List).ordered ? "ol" : "ul", (token as Tokens.List).items.map((it) => h("li", all(it.tokens))));
    case "code":
      return h("pre", { tabindex: 0 }, (token as Tokens.Code).text);
    case "codespan":
      return h("code", (token as Tokens.Codespan).text);
    case "table":
      return table(token as Tokens.Table);
    case "link":
    case "image":
      return link(token as Tokens.Link);
    case "hr":
    case "br":
      return h(token.type);
    case "space":
    case "def":
      return "";
    default:
      return "tokens" in token && token.tokens ? inner(token) : "text" in token ? token.text : token.raw;
  }
}

function table({ header, rows }: Tokens.Table): VNode {
  const row = (kind: "th" | "td", cells: Tokens.TableCell[]) => h("tr", cells.map((it) => h(kind, all(it.tokens))));
  return h("table", [h("thead", row("th", header)), h("tbody", rows.map((it) => row("td", it)))]);
}

function link(token: Tokens.Link): Shown {
  const text = token.tokens?.length ? inner(token) : token.text;
  if (!/^https?:\/\//i.test(token.href)) return text;
  return h("a", { href: token.href, target: "_blank", rel: "noopener noreferrer nofollow" }, text);
}
