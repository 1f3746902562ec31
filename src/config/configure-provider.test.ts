import { describe, expect, it } from 'vitest';
import { configureProvider } from './configure-provider.ts';

const at = { folder: '/project', environment: {} };

describe('configureProvider', () => {
  it('fills in the defaults as a config file would', () => {
    expect(configureProvider({ kind: 'local', model: './m' }, at)).toMatchObject({
      name: 'provider',
      model: '/project/m',
      modelFrom: 'folder',
      cacheFolder: '/project/.vecpipe/models',
    });
    const environment = { KEY: 'secret', VECPIPE_HOME: '/data' };
    expect(
      configureProvider({ kind: 'gateway', model: 'm', apiKeyEnv: 'KEY' }, { ...at, environment }),
    ).toMatchObject({ apiKey: 'secret', baseURL: 'https://api.openai.com/v1' });
    expect(configureProvider({ kind: 'local' }, { ...at, environment })).toMatchObject({
      cacheFolder: '/data/models',
    });
  });

  it('names every problem at once', () => {
    const configure = () =>
      configureProvider({ kind: 'gateway', baseURL: 5, maxInputs: 0, modle: 'm' } as never, {
        ...at,
        name: 'mine',
      });
    expect(configure).toThrow(expect.objectContaining({ family: 'usage', code: 'config_invalid' }));
    expect(configure).toThrow(/mine\.baseURL: expected text[^]*mine\.maxInputs[^]*mine\.modle: unknown key/);
    expect(() => configureProvider({ kind: 'gateway', model: 'm', baseURL: 'ftp://x' }, at)).toThrow(
      /providers\.provider\.baseURL: must begin with http/,
    );
  });
});
