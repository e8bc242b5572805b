import vue from "eslint-plugin-vue";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "src/server/schema.d.ts", "test-results/"] },
  tseslint.configs.strict,
  vue.configs["flat/essential"],
  {
    files: ["**/*.vue"],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
  },
  {
    rules: {
      "max-lines": ["error", { max: 300 }],
      "max-lines-per-function": ["error", { max: 80 }],
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      // Raw HTML from anywhere would be a hole in the page.
      "vue/no-v-html": "error",
      "vue/no-unused-vars": ["error", { ignorePattern: "^_" }],
      "vue/no-mutating-props": "error",
      "vue/prefer-true-attribute-shorthand": "error",
    },
  },
  { files: ["tests/**", "measure/**", "*.config.ts"], rules: { "max-lines-per-function": "off" } },
);
