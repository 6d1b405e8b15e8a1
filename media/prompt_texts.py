"""What Ramal says, in every language it speaks. `{company}` and other names in braces are filled in when it is said."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("en", "pt-BR", "ru")

TEXTS: Final[dict[str, dict[str, str]]] = {
    "greeting": {
        "en": "Welcome to {company}. Please hold the line while we connect you.",
        "pt-BR": "Bem-vindo à {company}. Aguarde um momento, estamos transferindo a sua ligação.",
        "ru": "Здравствуйте! Вы позвонили в компанию {company}. Оставайтесь на линии, мы вас соединяем.",
    },
    "unknown_number": {
        "en": "The number you have dialled does not exist. Please check it and call again.",
        "pt-BR": "O número discado não existe. Verifique o número e ligue novamente.",
        "ru": "Набранный номер не существует. Проверьте номер и позвоните ещё раз.",
    },
    "unavailable": {
        "en": "The person you are calling is not available at the moment.",
        "pt-BR": "A pessoa chamada não está disponível no momento.",
        "ru": "Сотрудник, которому вы звоните, сейчас недоступен.",
    },
    "no_answer": {
        "en": "Nobody answers. Please try again later.",
        "pt-BR": "Ninguém atende. Tente novamente mais tarde.",
        "ru": "Никто не отвечает. Пожалуйста, перезвоните позже.",
    },
    "busy": {
        "en": "The line is busy. Please try again later.",
        "pt-BR": "A linha está ocupada. Tente novamente mais tarde.",
        "ru": "Линия занята. Пожалуйста, перезвоните позже.",
    },
    "declined": {
        "en": "The person you are calling cannot take your call now.",
        "pt-BR": "A pessoa chamada não pode atender agora.",
        "ru": "Сотрудник сейчас не может ответить на ваш звонок.",
    },
    "not_allowed": {
        "en": "You are not allowed to call this number now.",
        "pt-BR": "Não é permitido ligar para este número agora.",
        "ru": "Сейчас на этот номер звонить нельзя.",
    },
    "loop": {
        "en": "The call is forwarded in a circle and cannot be connected.",
        "pt-BR": "A ligação está sendo desviada em círculo e não pode ser completada.",
        "ru": "Переадресация замкнута в кольцо, соединение невозможно.",
    },
    "trunks_down": {
        "en": "All outside lines are busy or out of order. Please try again in a few minutes.",
        "pt-BR": "Todas as linhas externas estão ocupadas ou fora de serviço. Tente novamente em alguns minutos.",
        "ru": "Все внешние линии заняты или не работают. Попробуйте ещё раз через несколько минут.",
    },
    "failed": {
        "en": "The call could not be completed.",
        "pt-BR": "A ligação não pôde ser completada.",
        "ru": "Не удалось установить соединение.",
    },
    "nothing_to_pick_up": {
        "en": "There is no call to pick up.",
        "pt-BR": "Não há ligação para capturar.",
        "ru": "Нет звонка, который можно перехватить.",
    },
    "transfer_dial": {
        "en": "Transfer. Dial the extension.",
        "pt-BR": "Transferência. Disque o ramal.",
        "ru": "Перевод звонка. Наберите внутренний номер.",
    },
    "transfer_failed": {
        "en": "The transfer has failed. You are connected again.",
        "pt-BR": "A transferência falhou. A ligação voltou para você.",
        "ru": "Перевести звонок не удалось. Вы снова на линии.",
    },
    "recording_on": {
        "en": "The recording is on.",
        "pt-BR": "Gravação ligada.",
        "ru": "Запись включена.",
    },
    "recording_off": {
        "en": "The recording is off.",
        "pt-BR": "Gravação desligada.",
        "ru": "Запись выключена.",
    },
    "lead_created": {
        "en": "The lead has been created.",
        "pt-BR": "Lead criado.",
        "ru": "Лид создан.",
    },
    "contact_created": {
        "en": "The contact has been created.",
        "pt-BR": "Contato criado.",
        "ru": "Контакт создан.",
    },
    "invalid_code": {
        "en": "This code is not known.",
        "pt-BR": "Código inválido.",
        "ru": "Неверный код.",
    },
    "forward_dial": {
        "en": "Forwarding. Dial the number, then the hash key.",
        "pt-BR": "Desvio de chamadas. Disque o número e depois a tecla jogo da velha.",
        "ru": "Переадресация. Наберите номер и нажмите решётку.",
    },
    "forwarding_on": {
        "en": "Your calls are forwarded.",
        "pt-BR": "Desvio de chamadas ligado.",
        "ru": "Переадресация включена.",
    },
    "forwarding_off": {
        "en": "The forwarding is off.",
        "pt-BR": "Desvio de chamadas desligado.",
        "ru": "Переадресация выключена.",
    },
    "do_not_disturb_on": {
        "en": "Do not disturb is on. Your phones do not ring.",
        "pt-BR": "Não perturbe ligado. Os seus telefones não tocam.",
        "ru": "Режим «не беспокоить» включён. Ваши телефоны не звонят.",
    },
    "do_not_disturb_off": {
        "en": "Do not disturb is off. Your phones ring again.",
        "pt-BR": "Não perturbe desligado. Os seus telefones voltam a tocar.",
        "ru": "Режим «не беспокоить» выключен. Ваши телефоны снова звонят.",
    },
    "call_waiting_on": {
        "en": "Call waiting is on.",
        "pt-BR": "Chamada em espera ligada.",
        "ru": "Ожидание вызова включено.",
    },
    "call_waiting_off": {
        "en": "Call waiting is off. You are busy while you talk.",
        "pt-BR": "Chamada em espera desligada. A linha fica ocupada enquanto você fala.",
        "ru": "Ожидание вызова выключено. Во время разговора линия занята.",
    },
    "setting_refused": {
        "en": "That is not possible. Nothing was changed.",
        "pt-BR": "Não é possível. Nada foi alterado.",
        "ru": "Это невозможно. Ничего не изменено.",
    },
    "conference_pin": {
        "en": "Please enter the PIN of the conference.",
        "pt-BR": "Digite a senha da conferência.",
        "ru": "Введите пин-код конференции.",
    },
    "conference_pin_again": {
        "en": "That is not right. Please enter the PIN again.",
        "pt-BR": "Senha incorreta. Digite novamente.",
        "ru": "Неверный пин-код. Введите его ещё раз.",
    },
    "conference_refused": {
        "en": "You cannot enter this conference. Goodbye.",
        "pt-BR": "Não é possível entrar nesta conferência. Até logo.",
        "ru": "Войти в эту конференцию нельзя. До свидания.",
    },
    "conference_full": {
        "en": "The conference is full. Please call again later.",
        "pt-BR": "A conferência está cheia. Ligue mais tarde.",
        "ru": "В конференции нет свободных мест. Перезвоните позже.",
    },
    "conference_first": {
        "en": "You are the first one in the conference.",
        "pt-BR": "Você é o primeiro na conferência.",
        "ru": "Вы первый участник конференции.",
    },
    "conference_removed": {
        "en": "You have been removed from the conference.",
        "pt-BR": "Você foi retirado da conferência.",
        "ru": "Вы удалены из конференции.",
    },
    "supervise_nothing": {
        "en": "There is no conversation to listen to.",
        "pt-BR": "Não há conversa para ouvir.",
        "ru": "Сейчас слушать нечего: разговора нет.",
    },
    "please_wait": {
        "en": "Please wait.",
        "pt-BR": "Aguarde, por favor.",
        "ru": "Пожалуйста, подождите.",
    },
    "goodbye": {
        "en": "Goodbye.",
        "pt-BR": "Até logo.",
        "ru": "До свидания.",
    },
}
"""By key, then by language."""


def closest_language(language: str) -> str:
    """Return the spoken language that serves a BCP 47 tag best; English where none fits."""
    wanted = language.lower()
    for spoken in LANGUAGES:
        if wanted == spoken.lower():
            return spoken
    return next((spoken for spoken in LANGUAGES if wanted.split("-")[0] == spoken.lower().split("-")[0]), "en")
