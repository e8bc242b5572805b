import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/console/",
  plugins: [vue()],
  resolve: { alias: { "@": fileURLToPath(new URL("src", import.meta.url)) } },
  // Texts are compiled by their small interpreter: a page under the content policy may compile no code.
  define: {
    __VUE_I18N_LEGACY_API__: "false",
    __VUE_I18N_FULL_INSTALL__: "false",
    __INTLIFY_PROD_DEVTOOLS__: "false",
    __VUE_OPTIONS_API__: "false",
  },
  build: {
    outDir: "dist/app",
    emptyOutDir: true,
    target: "es2022",
    // The content policy allows no `data:` URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["src/**/*.test.ts"] },
  // `npx vite` serves the sources as they are, over the API of a running server.
  server: { proxy: { "/api": { target: "http://127.0.0.1:9001", changeOrigin: false } } },
});
