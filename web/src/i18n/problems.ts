/** What the server's problems are in the languages that it does not speak, by the stable name of each kind. */

import type { Language } from "./i18n";

type Words = Readonly<Record<string, string>>;

const gone = { pt: "Isso não existe mais.", ru: "Этого больше нет." };
const wrong = { pt: "Há um valor que não pode ser aceito.", ru: "Одно из значений не подходит." };
const taken = { pt: "Isso já existe.", ru: "Такое уже есть." };
const used = { pt: "Ainda está em uso em outro lugar.", ru: "Это ещё где-то используется." };

const portuguese: Words = {
  "api.forbidden": "Seu papel não permite isso.",
  "api.idempotency_conflict": "O pedido anterior ainda não terminou. Tente de novo em um instante.",
  "api.invalid_fields": wrong.pt,
  "api.not_signed_in": "Sua sessão terminou. Entre de novo.",
  "api.too_many_attempts": "Muitas senhas erradas. Espere um pouco e tente de novo.",
  "api.unavailable": "Esta parte está desligada ou ainda não está pronta.",
  "billing.invalid_rate": wrong.pt,
  "billing.overlapping_rate": "Outra tarifa já vale para este prefixo nestes dias.",
  "billing.rate_import": "O arquivo tem linhas erradas.",
  "billing.rate_in_use": used.pt,
  "billing.rate_not_found": gone.pt,
  "core.conflict": taken.pt,
  "core.invalid_input": wrong.pt,
  "core.not_found": gone.pt,
  "core.storage": "O banco de dados não responde agora. Tente de novo em alguns segundos.",
  "crm.conflict": taken.pt,
  "crm.invalid_input": wrong.pt,
  "crm.not_found": gone.pt,
  "faces.camera": "A câmera não pôde ser usada.",
  "faces.consent_missing": "O reconhecimento precisa de uma base legal e de um aviso.",
  "pbx.call_state": "A chamada não está em um estado que permita isso.",
  "pbx.entry_exists": taken.pt,
  "pbx.entry_in_use": used.pt,
  "pbx.invalid_entry": wrong.pt,
  "pbx.no_port": "Todas as portas de voz estão ocupadas. Tente de novo em um instante.",
  "pbx.unknown_call": "Esta chamada já terminou.",
  "pbx.unknown_entry": gone.pt,
  "pbx.unreachable": "Ninguém pode ser alcançado ali agora.",
  "recordings.audio_missing": "O áudio desta gravação não está mais no armazenamento.",
  "recordings.not_found": gone.pt,
  "recordings.store_unavailable": "O armazenamento das gravações não responde agora.",
};

const russian: Words = {
  "api.forbidden": "Ваша роль этого не позволяет.",
  "api.idempotency_conflict": "Предыдущий запрос ещё не завершён. Попробуйте через мгновение.",
  "api.invalid_fields": wrong.ru,
  "api.not_signed_in": "Сеанс завершён. Войдите снова.",
  "api.too_many_attempts": "Слишком много неверных паролей. Подождите немного и попробуйте снова.",
  "api.unavailable": "Эта часть выключена или ещё не готова.",
  "billing.invalid_rate": wrong.ru,
  "billing.overlapping_rate": "Для этого префикса в эти дни уже действует другой тариф.",
  "billing.rate_import": "В файле есть неверные строки.",
  "billing.rate_in_use": used.ru,
  "billing.rate_not_found": gone.ru,
  "core.conflict": taken.ru,
  "core.invalid_input": wrong.ru,
  "core.not_found": gone.ru,
  "core.storage": "База данных сейчас не отвечает. Попробуйте через несколько секунд.",
  "crm.conflict": taken.ru,
  "crm.invalid_input": wrong.ru,
  "crm.not_found": gone.ru,
  "faces.camera": "Камерой не удалось воспользоваться.",
  "faces.consent_missing": "Для распознавания нужны правовое основание и объявление.",
  "pbx.call_state": "Сейчас с этим звонком так поступить нельзя.",
  "pbx.entry_exists": taken.ru,
  "pbx.entry_in_use": used.ru,
  "pbx.invalid_entry": wrong.ru,
  "pbx.no_port": "Все голосовые порты заняты. Попробуйте через мгновение.",
  "pbx.unknown_call": "Этот звонок уже завершён.",
  "pbx.unknown_entry": gone.ru,
  "pbx.unreachable": "Туда сейчас не дозвониться.",
  "recordings.audio_missing": "Звука этой записи больше нет в хранилище.",
  "recordings.not_found": gone.ru,
  "recordings.store_unavailable": "Хранилище записей сейчас не отвечает.",
};

const words: Readonly<Record<Language, Words>> = { en: {}, "pt-BR": portuguese, ru: russian };

/** The sentence for a kind of problem (RFC 9457 `type`) in a language; undefined where the server's own words are the best there are. */
export function knownProblem(type: string | undefined, language: Language): string | undefined {
  return words[language][type?.replace("urn:ramal:problem:", "") ?? ""];
}
