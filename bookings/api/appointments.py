"""Appointments, step by step, and chats now."""

from ninja import Router

appointments = Router(tags=["appointments"])
chat_requests = Router(tags=["appointments"])
