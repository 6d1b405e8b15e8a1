"""Greetings as people and answering machines say them, made by espeak-ng with a seed: voices, speeds, pauses and noise differ."""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

RATE = 8000
Sound = NDArray[np.float64]

_PEOPLE = {
    "en-us": (
        "Hello?", "Yes?", "Hello.", "Hi, this is Maria.", "John speaking.", "Hello, who is this?", "Good morning.",
        "Yeah, hello?", "Accounting, Miller.", "Hello, Smith and Sons.", "Go ahead.", "Hi there.",
    ),
    "pt-br": (
        "Alô?", "Pronto.", "Alô, quem fala?", "Oi, aqui é a Ana.", "Bom dia.", "Fala.", "Sim?", "Alô, boa tarde.",
        "Padaria Central, bom dia.", "Oi.",
    ),
    "ru": (
        "Алло?", "Да.", "Слушаю вас.", "Да, алло.", "Компания Альфа, здравствуйте.", "Добрый день.", "Иванов.", "Кто это?",
        "Алло, я слушаю.",
    ),
}  # fmt: skip
_MACHINES = {
    "en-us": (
        "Hello, you have reached the voice mail of John Smith. I cannot take your call right now. Leave a message after the tone.",
        "Hi, this is Maria. Sorry I missed you. Please leave your name and number and I will call you back.",
        "The person you are calling is not available. Please leave a message after the beep.",
        "Thank you for calling Smith and Sons. Our office is closed. Our hours are from nine to five.",
        "Please record your message after the tone.",
        "You have reached area code five five five, zero one two three. At the tone, please record your message.",
    ),
    "pt-br": (
        "Você ligou para a Ana. No momento não posso atender. Deixe o seu recado após o sinal.",
        "Sua chamada está sendo encaminhada para a caixa postal e estará sujeita a cobrança após o sinal.",
        "Obrigado por ligar para a Padaria Central. Estamos fechados agora. Deixe a sua mensagem.",
        "Grave o seu recado depois do sinal.",
    ),
    "ru": (
        "Здравствуйте, вы позвонили Ивану. Я не могу сейчас ответить. Оставьте сообщение после сигнала.",
        "Абонент временно недоступен. Пожалуйста, оставьте ваше сообщение после звукового сигнала.",
        "Вы позвонили в компанию Альфа. К сожалению, сейчас мы не работаем. Перезвоните завтра.",
        "Оставьте сообщение после сигнала.",
    ),
}  # fmt: skip
_SPEAKERS = ("", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4")


@dataclass(frozen=True)
class Greeting:
    """What is heard of one line from its answer on."""

    machine: bool
    text: str
    voice: str
    sound: Sound
    """At 8 kHz."""


def generated(count: int, seed: int) -> list[Greeting]:
    """Make so many greetings, half of them of machines."""
    dice = random.Random(seed)
    plans = []
    for number in range(count):
        machine = number % 2 == 1
        language = dice.choice(list(_PEOPLE))
        text = dice.choice((_MACHINES if machine else _PEOPLE)[language])
        plans.append((machine, text, f"{language}{dice.choice(_SPEAKERS)}", dice.randint(130, 200), dice.random()))
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda plan: _made(*plan), plans))


def _made(machine: bool, text: str, voice: str, speed: int, chance: float) -> Greeting:
    dice = random.Random(f"{chance} {text}")
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    # What espeak-ng streams has no length in its header: 44 bytes, then samples of 22,050 Hz.
    spoken = np.frombuffer(raw[44 : len(raw) & ~1], "<i2") / 32768
    spoken = signal.resample_poly(spoken, 160, 441)
    spoken *= 10 ** (dice.uniform(-18, -3) / 20) / (np.max(np.abs(spoken)) + 1e-9)
    silence = dice.uniform(0.2, 1.5)
    ending = [_beep(dice)] if machine and dice.random() < 0.8 else []
    parts = [np.zeros(int(silence * RATE)), spoken, *ending, np.zeros(6 * RATE)]
    line = np.concatenate(parts)
    noise = np.random.default_rng(dice.getrandbits(32)).normal(0, 10 ** (dice.uniform(-72, -48) / 20), len(line))
    return Greeting(machine, text, voice, _g711(line + noise))


def _beep(dice: random.Random) -> Sound:
    """The pause and the tone after which a machine records."""
    times = np.arange(int(dice.uniform(0.2, 0.6) * RATE)) / RATE
    tone = 0.2 * np.sin(2 * np.pi * dice.choice((440, 1000, 1400)) * times)
    return np.concatenate([np.zeros(int(dice.uniform(0.2, 0.9) * RATE)), tone])


def _g711(sound: Sound) -> Sound:
    """What mu-law leaves of it, by its formula without steps, rounded to 8 bits."""
    clipped = np.clip(sound, -1, 1)
    pressed = np.round(np.sign(clipped) * np.log1p(255 * np.abs(clipped)) / np.log(256) * 127) / 127
    return np.asarray(np.sign(pressed) * np.expm1(np.abs(pressed) * np.log(256)) / 255, dtype=np.float64)
